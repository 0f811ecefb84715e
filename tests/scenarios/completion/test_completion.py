"""TAB in bash, zsh and fish: verbs, options, services and tags of a daemon that runs; nothing at all without one."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest
from support.site import frozen, ourselves, until

SHELLS = {
    "bash": "exec bash --norc --noprofile -i",
    "zsh": "exec zsh -f -i",
    "fish": "exec fish --no-config -i",
}
SETUP = {
    "bash": "source <(amonsup completion bash); PS1='$ '",
    "zsh": "autoload -U compinit; compinit -D; source <(amonsup completion zsh); PS1='$ '",
    "fish": "amonsup completion fish | source; function fish_prompt; echo '$ '; end",
}
FOR_BASH = """
source <(amonsup completion bash)
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=($1)
_amonsup amonsup "$2" x
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def site(open_site):
    site = open_site(ourselves())
    site.write("bin/amonsup", f'#!/bin/sh\nexec {site.who.python} -m amonsup.cli.main "$@"\n')
    site.file("bin/amonsup").chmod(0o755)
    return site


def environ(site):
    own = site.client_environ()
    config = str(site.config_file)
    return {**own, "PATH": f"{site.path}/bin:{own['PATH']}", "AMONSUP_CONFIG": config, "HOME": str(site.path)}


def output(site, *command):
    done = subprocess.run(command, env=environ(site), cwd=site.path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_person_presses_tab(site, tmux, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    site.start()
    site.running("catalogue", "computing")
    terminal = tmux(site, size=(120, 40)).run(f"cd {site.path}\n{SHELLS[shell]}", **environ(site))
    until(lambda: terminal.screen().strip(), "a prompt")
    terminal.keys(f"{SETUP[shell]}; clear", "Enter")
    until(lambda: terminal.screen().strip() == "$", "ours")
    for typed, completed in (
        ("amonsup stat", "amonsup status "),
        ("amonsup stop cat", "amonsup stop catalogue "),
        ("amonsup stop @w", "amonsup stop @web "),
        ("amonsup stop --no", "amonsup stop --no-wait "),
        ("amonsup scale w", "amonsup scale worker="),
        ("amonsup check amonsup.y", "amonsup check amonsup.yaml "),
    ):
        terminal.keys(typed, "Tab")
        terminal.wait(f"$ {completed}".rstrip())
        terminal.keys("X")
        terminal.wait(f"$ {completed}X")  # and the cursor stands behind a space
        terminal.keys("C-u")
        until(lambda: terminal.screen().strip() == "$", "an empty line")
    terminal.keys("amonsup show c", "Tab", "Tab")
    terminal.wait("catalogue", "computing")


def test_what_is_offered(site):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    site.start()
    site.running("catalogue", "computing")

    def fish(line):
        return output(site, "fish", "--no-config", "-c", f"amonsup completion fish | source; complete -C '{line}'")

    assert fish("amonsup stop ") == [
        "catalogue\trunning",
        "computing\trunning",
        "migrate\texited",
        "worker-1\trunning",
        "worker\tall its instances",
        "@grid\ttag",
        "@web\ttag",
        "all\tevery service",
    ]
    assert [line.partition("\t")[0] for line in fish("amonsup restart computing ca")] == ["catalogue"]
    assert [line.partition("\t")[0] for line in fish("amonsup schema --j")] == ["--json"]
    assert output(site, "bash", "-c", FOR_BASH, "bash", "amonsup stop @", "@") == ["@grid", "@web"]
    assert output(site, "bash", "-c", FOR_BASH, "bash", "amonsup stop @g", "g") == ["grid"]


def test_without_a_daemon_there_is_silence_and_soon(site):
    began = time.monotonic()
    assert output(site, "bash", "-c", FOR_BASH, "bash", "amonsup stop c", "c") in ([], [""])
    assert output(site, "amonsup", "__complete", "zsh", "-c", "/nowhere", "stop", "") == []
    assert output(site, "amonsup", "__complete", "zsh", "nonsense", "") == []
    site.start()
    with frozen(site.pid("supervisor")):
        assert output(site, "amonsup", "__complete", "zsh", "stop", "") == []
    assert time.monotonic() - began < 20.0, "nobody is waited for"
