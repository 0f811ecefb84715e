"""supervisord.conf: every option, includes and expressions, and what they become."""

from __future__ import annotations

import pytest

from tests.support.imported import Out, Take

CONF = "/etc/supervisor/supervisord.conf"


@pytest.fixture
def program(take: Take):
    def outcome(*lines: str) -> Out:
        return take({CONF: "[program:ce]\n" + "\n".join(lines) + "\n"}, CONF)

    return outcome


def test_a_program(program) -> None:
    out = program(
        "command=/opt/ce/bin/ce --name %(program_name)s ; a comment",
        "directory=/srv/ce",
        "user=alien",
        "umask=027",
        "environment=A=\"x,y\",B='z',C=%(here)s",
        "autostart=false",
        "autorestart=true",
        "startsecs=10",
        "startretries=5",
        "stopsignal=QUIT",
        "stopwaitsecs=20",
        "redirect_stderr=true",
        "stdout_logfile_maxbytes=1MB",
        "stdout_logfile_backups=4",
    )
    assert out.keys() == {
        "command": "/opt/ce/bin/ce --name ce",
        "working_dir": "/srv/ce",
        "user": "alien",
        "umask": "027",
        "environment": {"A": "x,y", "B": "z", "C": "/etc/supervisor"},
        "autostart": "false",
        "restart": "always",
        "min_uptime": "10s",
        "backoff": {"initial": "0s", "step": "1s", "factor": "2"},
        "start_limit": {"count": "6", "within": "1m"},
        "stop_signal": "SIGQUIT",
        "stop_grace_period": "20s",
        "logging": {"max_size": "1MiB", "max_files": "5", "compress": "false"},
    }


@pytest.mark.parametrize(
    ("line", "restart"),
    [
        ("autorestart=unexpected", "on-failure"),
        ("autorestart=false", "no"),
        ("autorestart=True", "always"),
        ("x=", "on-failure"),
    ],
)
def test_restarts(program, line: str, restart: str) -> None:
    keys = program("command=/bin/ce", line, "exitcodes=0,2").keys()
    assert keys["restart"] == restart
    assert keys.get("success_exit") == (["0", "2"] if restart == "on-failure" else None)


def test_instances(program) -> None:
    out = program(
        "command=/bin/ce --port 80%(process_num)02d", "numprocs=3", "process_name=%(program_name)s_%(process_num)02d"
    )
    assert out.keys()["scale"] == "3"
    assert out.keys()["command"] == ["/bin/ce", "--port", "80{instance}"]
    assert out.service().outcome == "approximated"


def test_variables_of_the_daemon(program) -> None:
    out = program("command=/bin/ce --home %(ENV_HOME)s --cost '$5 ${X}' 100%%", 'environment=Y="%(ENV_Z)s/b"')
    assert out.keys()["command"] == ["/bin/ce", "--home", "${HOME:-}", "--cost", "$5 $${X}", "100%"]
    assert out.keys()["environment"] == {"Y": "${Z:-}/b"}


def test_output(program) -> None:
    assert program("command=/bin/ce", "stdout_logfile=NONE", "stderr_logfile=NONE").keys()["logging"] == {
        "capture": "false"
    }
    out = program("command=/bin/ce", "stdout_logfile=/var/log/ce.log")
    assert out.keys()["logging"]["stderr"] == "separate"
    assert out.fates()["stdout_logfile=/var/log/ce.log"] == "approximated"


def test_includes_end(take: Take) -> None:
    out = take(
        {
            CONF: "[supervisord]\n[include]\nfiles = conf.d/*.conf supervisord.conf\n[group:grid]\nprograms=ce,se\n",
            "/etc/supervisor/conf.d/ce.conf": "[program:ce]\ncommand=/bin/ce\n[include]\nfiles=*.conf\n",
            "/etc/supervisor/conf.d/se.conf": "[program:se]\ncommand=/bin/se\n",
        },
        CONF,
    )
    assert sorted(each.name for each in out.result.services) == ["ce", "se"]
    assert out.keys("se")["tags"] == ["grid"]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["directory=/"], "has no command"),
        (["command=/bin/ce 'open"], "quote"),
        (["command=/bin/ce %(nonsense)s"], "%(nonsense)s is not known"),
    ],
)
def test_refusals(program, lines: list[str], why: str) -> None:
    assert why in program(*lines).service().reason


def test_what_has_no_equivalent(program) -> None:
    fates = program("command=/bin/ce", "priority=10", "killasgroup=true", "serverurl=AUTO", "wonder=1").fates()
    assert fates["priority=10"] == fates["serverurl=AUTO"] == fates["wonder=1"] == "left out"
    assert fates["killasgroup=true"] == "approximated"


def test_event_listeners(take: Take) -> None:
    refused = take({CONF: "[program:x]\ncommand=/bin/x\n[eventlistener:y]\ncommand=/bin/y\nevents=TICK_5\n"}).service(
        "y"
    )
    assert "only supervisord" in refused.reason
