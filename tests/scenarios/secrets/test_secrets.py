"""Secrets: files that only the service's user can read, as long as the life lasts, and nowhere else."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

from support.site import kill_hard, until

WORD = "correct-horse-battery"


def prepared(open_site, who=None, user=""):
    site = open_site(who)
    site.mkdir("keys", 0o700)
    put(site, "token", WORD)
    put(site, "other", "more\n")
    if user:
        text = site.file("conf.d/site.yaml").read_text()
        site.write("conf.d/site.yaml", text.replace("    secrets:", f"    user: {user}\n    secrets:"))
    return site


def put(site, name, text, mode=0o600):
    site.write(f"keys/{name}", text)
    site.file(f"keys/{name}").chmod(mode)


def handed_over(site, pid):
    """Where the process has been told that its secrets are."""
    environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    found = next(line for line in environ if line.startswith(b"AMONSUP_SECRETS="))
    return Path(os.fsdecode(found.partition(b"=")[2]))


def test_while_it_lives(open_site, who):
    site = prepared(open_site, who).start()
    pid = site.running("keeper")["keeper"]
    place = handed_over(site, pid)
    assert sorted(os.listdir(place)) == ["other", "token"]
    assert (place / "token").read_text() == WORD
    assert (place / "token").stat().st_mode & 0o777 == 0o400
    assert place.stat().st_mode & 0o007 == 0

    put(site, "token", "new")
    kill_hard(pid)  # what was made ready for the next life knew the old one
    pid = until(lambda: (site.pid("keeper") != pid and site.row("keeper")["state"] == "running") and site.pid("keeper"))
    assert (place / "token").read_text() == "new"
    site.kill("supervisor")
    assert site.running("keeper") == {"keeper": pid}
    assert (place / "token").read_text() == "new"
    site.do("stop", services=["keeper"])
    assert not place.exists()
    site.do("start", services=["keeper"])
    assert (place / "token").read_text() == "new"
    site.shut_down()
    assert not place.exists()


AT_REST = ("stopped", "exited", "fatal")
LOOK = 'echo "$AMONSUP_ERRAND $(cat "$AMONSUP_SECRETS/token")" >> seen; test "$AMONSUP_ERRAND" != "$(cat fails)"\n'


def test_errands_have_them_too_and_leave_none_behind(open_site, who):
    site = prepared(open_site, who)
    site.write("look", LOOK)
    site.write("fails", "none")
    site.start()
    place = site.file("run/secrets/hooked")
    for verb in ("start", "reload", "stop"):
        if verb == "reload":
            site.wait("healthy", "hooked")
        site.do(verb, services=["hooked"])
        assert place.exists() == (verb != "stop")
    kinds = ("pre_start", "post_start", "check", "preflight", "reload", "pre_stop", "post_stop")
    assert set(site.lines("seen")) == {f"{kind} {WORD}" for kind in kinds}

    site.write("fails", "pre_start")
    assert not site.ask("start", services=["hooked"])["ok"]
    until(lambda: site.row("hooked")["state"] in AT_REST, "its failure is dealt with")
    assert site.lines("seen").count(f"pre_start {WORD}") == 2
    assert not place.exists()

    site.file("keys/token").unlink()
    result = site.ask("start", services=["hooked"])
    assert "pre_start: secret token: " in result["results"][0]["text"], result
    until(lambda: site.row("hooked")["state"] in AT_REST, "its failure is dealt with")
    assert not place.exists()


def test_a_new_daemon_keeps_those_of_who_lives(open_site):
    site = prepared(open_site).start()
    place = handed_over(site, site.running("keeper")["keeper"])
    stale = site.mkdir("run/secrets/nobody-any-more")
    site.write("run/secrets/nobody-any-more/token", "x")
    kill_hard(site.guardian(), site.pid("supervisor"))
    site.process.wait()
    site.start()
    site.running("keeper")
    assert (place / "token").read_text() == WORD
    assert not stale.exists()


def test_a_secret_is_nowhere_else(open_site):
    site = prepared(open_site).start()
    pid = site.running("keeper")["keeper"]
    site.cli("status", "--usage")
    told = [site.cli("--json", "show", "keeper").stdout, site.cli("events").stdout, site.stderr()]
    told += [Path(f"/proc/{pid}/{file}").read_text() for file in ("environ", "cmdline")]
    found = [path for place in (site.state_dir, site.log_dir, site.run_dir) for path in place.rglob("*")]
    told += [path.read_text("utf-8", "replace") for path in found if path.is_file() and "secrets" not in path.parts]
    assert len(told) > 6
    assert not [text for text in told if WORD in text]


def reads(user, path):
    account = pwd.getpwnam(user)
    done = subprocess.run(
        ["/bin/cat", path], user=account.pw_uid, group=account.pw_gid, extra_groups=[], capture_output=True
    )
    return done.stdout.decode()


def test_only_the_services_user_reads_it(open_site, root):
    site = prepared(open_site, root, "nobody").start()
    place = handed_over(site, site.running("keeper")["keeper"])
    assert reads("nobody", place / "token") == WORD
    assert reads("daemon", place / "token") == ""
    assert reads("nobody", site.file("keys/token")) == ""
    # Its user cannot put anything there, so cannot fill run_dir, nor hide anything from the sweep.
    account = pwd.getpwnam("nobody")
    done = subprocess.run(["/bin/touch", place / "x"], user=account.pw_uid, group=account.pw_gid, extra_groups=[])
    assert done.returncode == 1


SPOILT = {
    "No such file or directory": lambda site: site.file("keys/token").unlink(),
    "is open to everybody (mode 0644): chmod o= it": lambda site: put(site, "token", "x", 0o644),
    "is too large: at most 1 MiB": lambda site: put(site, "token", "x" * (1 << 20) + "x"),
    "is not a regular file": lambda site: (site.file("keys/token").unlink(), site.mkdir("keys/token", 0o700)),
}


def test_one_that_cannot_be_had_fails_the_start(open_site):
    site = prepared(open_site).start()
    site.running("keeper")
    place = handed_over(site, site.pid("keeper"))
    for words, spoil in SPOILT.items():
        site.do("stop", services=["keeper"])
        spoil(site)
        assert not site.ask("start", services=["keeper"])["ok"]
        text = site.wait("spawn-failed", "keeper", words)["text"]
        assert text.startswith(f"secret token: {site.file('keys/token')}")
        assert not place.exists()


def test_check_finds_a_source_that_is_open_to_others(open_site):
    site = prepared(open_site)
    site.file("keys/other").chmod(0o604)
    site.file("keys/token").unlink()
    done = site.cli("check")
    assert done.returncode == 2
    assert "services.keeper.secrets: other: " in done.stdout + done.stderr
    assert "is open to everybody (mode 0604)" in done.stdout + done.stderr
    site.file("keys/other").chmod(0o600)
    done = site.cli("check")
    assert done.returncode == 0
    assert "token" in done.stdout + done.stderr  # a warning: it may come
