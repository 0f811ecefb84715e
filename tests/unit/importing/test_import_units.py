"""systemd units: every idiom by a unit of a few lines, and what it becomes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amonsup.importing.gather import import_all
from amonsup.importing.machine import Machine
from tests.support.imported import UNITS, Out, Take

Unit = Callable[..., Out]


def test_a_plain_service_is_exact(unit: Unit) -> None:
    out = unit(
        "ExecStart=/usr/bin/ce --port 80",
        "User=alien",
        "UMask=0027",
        "WorkingDirectory=/var/lib/ce",
        unit="Description=CE",
    )
    assert out.service().outcome == "exact"
    assert out.result.ok
    assert out.keys() == {
        "description": "CE",
        "command": "/usr/bin/ce --port 80",
        "user": "alien",
        "working_dir": "/var/lib/ce",
        "umask": "0027",
        "restart": "no",
        "stop_grace_period": "90s",
    }


@pytest.mark.parametrize(
    ("said", "kind"), [("simple", None), ("exec", None), ("notify", "notify"), ("oneshot", "oneshot"), ("idle", None)]
)
def test_types(unit: Unit, said: str, kind: str | None) -> None:
    out = unit(f"Type={said}", "ExecStart=/bin/ce")
    assert out.keys().get("type") == kind
    assert out.service().outcome == "exact"


def test_forking(unit: Unit) -> None:
    assert unit("Type=forking", "ExecStart=/bin/ce", "PIDFile=ce.pid").keys()["pid_file"] == "/run/ce.pid"
    out = unit("Type=forking", "ExecStart=/bin/ce")
    assert out.keys()["type"] == "forking"
    assert out.how("Type=forking").startswith("the daemon is the oldest process")


def test_restarts_have_systemds_pace(unit: Unit) -> None:
    keys = unit(
        "ExecStart=/bin/ce", "Restart=on-failure", "RestartSec=5", "StartLimitBurst=3", "StartLimitInterval=1min"
    ).keys()
    assert keys["restart"] == "on-failure"
    assert keys["backoff"] == {"initial": "5s", "step": "5s", "factor": "1", "max": "5s", "jitter": "0"}
    assert keys["start_limit"] == {"count": "3", "within": "1m"}
    assert keys["success_exit"] == ["0", "SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"]
    usual = unit("ExecStart=/bin/ce", "Restart=always").keys()
    assert usual["backoff"]["initial"] == "100ms"
    assert usual["start_limit"] == {"count": "5", "within": "10s"}
    assert "start_limit" not in unit("ExecStart=/bin/ce", "Restart=always", "StartLimitIntervalSec=0").keys()
    assert unit("ExecStart=/bin/ce", "Restart=on-abort").fates()["Restart=on-abort"] == "approximated"


def test_deadlines(unit: Unit) -> None:
    keys = unit("ExecStart=/bin/ce", "TimeoutStartSec=2min 30s", "TimeoutStopSec=infinity").keys()
    assert (keys["start_timeout"], keys["stop_grace_period"]) == ("150s", "365d")
    assert unit("Type=oneshot", "ExecStart=/bin/ce").keys()["start_timeout"] == "365d"


@pytest.mark.parametrize(
    ("line", "reload"),
    [
        ("/bin/kill -HUP $MAINPID", "SIGHUP"),
        ("/bin/kill -s USR1 $MAINPID", "SIGUSR1"),
        ("kill -SIGUSR2 ${MAINPID}", "SIGUSR2"),
        ("/bin/kill -1 $MAINPID", "SIGHUP"),
        ("/usr/bin/ce reload", "/usr/bin/ce reload"),
        ("ce-reload", "/bin/sh -c ce-reload"),
    ],
)
def test_reload(unit: Unit, line: str, reload: object) -> None:
    assert unit("ExecStart=/bin/ce", f"ExecReload={line}").keys()["reload"] == reload


def test_what_checks_before_a_reload_is_a_preflight(unit: Unit) -> None:
    out = unit("ExecStart=/bin/ce", "ExecReload=/bin/ce -t", "ExecReload=/bin/kill -HUP $MAINPID")
    assert (out.keys()["preflight"], out.keys()["reload"]) == ("/bin/ce -t", "SIGHUP")
    assert out.service().outcome == "approximated"


def test_hooks_are_told_the_main_pid(unit: Unit) -> None:
    keys = unit("ExecStart=/bin/ce", "ExecReload=/bin/ce-tell $MAINPID", "ExecStopPost=/bin/after $EXIT_CODE").keys()
    assert keys["reload"] == ["/bin/sh", "-c", "set -f; exec /bin/ce-tell $MAINPID"]
    out = unit("ExecStart=/bin/ce", "ExecStopPost=/bin/after $EXIT_CODE")
    assert out.fates()["ExecStopPost=/bin/after $EXIT_CODE"] in ("carried", "approximated")
    assert "AMONSUP_EXIT" in out.how("ExecStopPost=")


def test_hooks_are_one_command_each(unit: Unit) -> None:
    keys = unit(
        "ExecStart=/bin/ce",
        "ExecStartPre=/bin/a 'b c'",
        "ExecStartPre=-/bin/d",
        "ExecStop=/bin/e",
        "ExecStopPost=/bin/f",
    ).keys()
    assert keys["pre_start"] == ["/bin/sh", "-c", "/bin/a 'b c' && { /bin/d || :; }"]
    assert (keys["pre_stop"], keys["post_stop"]) == ("/bin/e", "/bin/f")


def test_a_stop_by_signal_is_the_stop_signal(unit: Unit) -> None:
    assert unit("ExecStart=/bin/ce", "ExecStop=/bin/kill -QUIT $MAINPID").keys()["stop_signal"] == "SIGQUIT"
    assert unit("ExecStart=/bin/ce", "KillSignal=SIGINT").keys()["stop_signal"] == "SIGINT"


def test_the_end_of_a_oneshot(unit: Unit) -> None:
    commands = ("Type=oneshot", "ExecStart=/bin/up", "ExecStart=/bin/more", "ExecStop=/bin/down")
    keys = unit(*commands).keys()
    assert keys["command"] == ["/bin/sh", "-c", "/bin/up && /bin/more"]
    assert keys["post_stop"] == "/bin/down", "systemd runs it as soon as the job is done, too"
    remaining = unit(*commands, "RemainAfterExit=yes")
    assert remaining.fates()["ExecStop=/bin/down"] == "left out", "it would undo at once what was done"
    assert "post_stop" not in remaining.keys()
    both = unit(*commands, "ExecStopPost=/bin/clean").keys()
    assert both["post_stop"] == ["/bin/sh", "-c", "/bin/down && /bin/clean"]
    assert "only does something when" in unit("ExecStop=/bin/down", "Type=oneshot").service().reason


def test_root_in_a_service_of_somebody_else(unit: Unit) -> None:
    lines = ("ExecStart=/bin/ce", "ExecStartPre=+/bin/mkdir /x", "ExecStartPost=+/bin/y", "User=ce")
    out = unit(*lines)
    assert "pre_start" not in out.keys()
    assert out.keys(of="ce-prepare")["command"] == ["/bin/sh", "-c", "/bin/mkdir /x"]
    assert out.keys()["depends_on"] == {"ce-prepare": {"condition": "service_completed_successfully"}}
    assert out.fates()["ExecStartPost=+/bin/y"] == "left out"


def test_directories_are_made_by_a_companion(unit: Unit) -> None:
    out = unit("ExecStart=/bin/ce", "User=ce", "RuntimeDirectory=ce ce/x", "RuntimeDirectoryMode=0700")
    script = out.keys(of="ce-prepare")["command"][2]
    assert script == (
        "install -d -m 0700 /run/ce && chown ce: /run/ce && install -d -m 0700 /run/ce/x && chown ce: /run/ce/x"
    )
    assert out.keys()["environment"] == {"RUNTIME_DIRECTORY": "/run/ce:/run/ce/x"}


# ---- variables ------------------------------------------------------------------------------------------------------


def test_variables_that_are_known_are_filled_in(unit: Unit) -> None:
    out = unit('Environment="A=x y" B=z', "ExecStart=/bin/ce $A ${A} --b=${B} $NONE $$HOME")
    assert out.keys()["command"] == ["/bin/ce", "x", "y", "x y", "--b=z", "$HOME"]
    assert out.keys()["environment"] == {"A": "x y", "B": "z"}


def test_variables_of_a_file_are_filled_in_when_it_runs(take: Take) -> None:
    text = "[Service]\nEnvironment=OPTS=a\nEnvironmentFile=-/etc/default/ce\nExecStart=/bin/ce $OPTS ${OPTS} 'a b'\n"
    unit = f"{UNITS}/ce.service"
    out = take({unit: text, "/etc/default/ce": "OPTS='-x -y'\n"}, unit)
    assert out.keys()["command"] == [
        "/bin/sh",
        "-c",
        "set -f; exec /bin/ce $OPTS \"${OPTS}\" 'a b'".replace("${", "$${"),
    ]
    assert out.keys()["env_file"] == ["/etc/default/ce"]
    assert "environment" not in out.keys()  # the file wins over Environment=, as with systemd


def test_a_file_that_we_would_read_differently_is_read_now(take: Take) -> None:
    unit = f"{UNITS}/ce.service"
    text = "[Service]\nEnvironmentFile=/etc/default/ce\nExecStart=/bin/ce $OPTS\n"
    out = take({unit: text, "/etc/default/ce": "OPTS=-a \\\n -b\nexport X\nHOME_OF=${HOME}\n"}, unit)
    assert "env_file" not in out.keys()
    assert out.keys()["command"] == "/bin/ce -a -b"
    assert out.keys()["environment"]["HOME_OF"] == "$${HOME}"
    assert out.fates()["EnvironmentFile=/etc/default/ce"] == "approximated"


def test_a_file_that_is_not_there(unit: Unit) -> None:
    out = unit("EnvironmentFile=-/etc/none", "EnvironmentFile=/etc/must", "ExecStart=/bin/ce $X")
    assert out.fates()["EnvironmentFile=-/etc/none"] == "left out"
    assert out.keys()["env_file"] == ["/etc/must"]
    assert any("/etc/must does not exist" in warning for warning in out.result.warnings)


def test_dollars_that_are_no_variables_stay_dollars(unit: Unit) -> None:
    out = unit("ExecStart=/bin/sh -c 'echo $${HOME} $$$$'")
    assert out.keys()["command"][2] == "echo $${HOME} $$$"  # conf.d's parser makes ${HOME} and $$ of it


def test_specifiers(take: Take) -> None:
    unit = f"{UNITS}/ce@.service"
    text = "[Service]\nExecStart=/bin/ce %i %I %p %n %t %% %m\nUser=u%i\n"
    out = take({unit: text}, f"{UNITS}/ce@a-b.service")
    assert out.keys("ce-a-b")["command"] == "/bin/ce a-b a/b ce ce@a-b.service /run % %m"
    assert out.keys("ce-a-b")["user"] == "ua-b"
    assert out.service("ce-a-b").outcome == "approximated"  # nobody here knows %m
    alone = take({unit: text}, unit).service()
    assert alone.reason.startswith("a template: name an instance")


# ---- resources, privileges ------------------------------------------------------------------------------------------


def test_limits(unit: Unit) -> None:
    keys = unit(
        "ExecStart=/bin/ce", "LimitNOFILE=1024:65536", "LimitCORE=infinity", "LimitMEMLOCK=64K", "Nice=-5",
        "CPUAffinity=0 2-3",
        "IOSchedulingClass=best-effort", "IOSchedulingPriority=3", "OOMScoreAdjust=-500", "MemoryMax=1G",
        "CPUQuota=150%",
        "TasksMax=64",
    ).keys()  # fmt: skip
    assert keys["ulimits"] == {
        "nofile": {"soft": "1024", "hard": "65536"},
        "core": "unlimited",
        "memlock": "65536",
    }
    wanted = {
        "nice": "-5",
        "cpuset": "0,2-3",
        "ionice": "best-effort:3",
        "oom_score_adj": "-500",
        "mem_limit": str(1 << 30),
    }
    assert keys.items() >= {**wanted, "cpus": "1.5", "pids_limit": "64"}.items()


@pytest.mark.parametrize(
    "line", ["MemoryMax=50%", "TasksMax=10%", "LimitNOFILE=many", "Nice=90", "CPUQuota=x", "MemoryHigh=1G"]
)
def test_what_cannot_be_a_limit_is_left_out(unit: Unit, line: str) -> None:
    assert unit("ExecStart=/bin/ce", line).fates()[line] == "left out"


def test_capabilities(unit: Unit) -> None:
    keys = unit("ExecStart=/bin/ce", "CapabilityBoundingSet=CAP_CHOWN CAP_KILL", "NoNewPrivileges=yes").keys()
    assert (keys["cap_drop"], keys["cap_add"]) == (["ALL"], ["CAP_CHOWN", "CAP_KILL"])
    assert keys["no_new_privileges"] == "true"
    assert unit("ExecStart=/bin/ce", "CapabilityBoundingSet=~CAP_SYS_ADMIN").keys()["cap_drop"] == ["CAP_SYS_ADMIN"]
    plain = unit("ExecStart=/bin/ce", "User=ce", "AmbientCapabilities=CAP_NET_BIND_SERVICE").keys()
    assert plain["cap_add"] == ["CAP_NET_BIND_SERVICE"]


def test_what_is_left_out_without_replacement_reduces(unit: Unit) -> None:
    out = unit("ExecStart=/bin/ce", "ProtectSystem=full", "PrivateTmp=yes")
    assert out.service().outcome == "reduced"
    assert "#   ProtectSystem, PrivateTmp" in out.service().yaml


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("DynamicUser=yes", "accounts"),
        ("StandardInput=tty", "terminal"),
        ("StandardInput=socket", "listen"),
        ("RootDirectory=/srv", "root directory"),
        ("Type=strange", "no such type"),
        ("ExecStart='open", "quote"),
        ("ExecStart=/bin/two", "several ExecStart="),
    ],
)
def test_refusals_say_why(unit: Unit, line: str, why: str) -> None:
    out = unit("ExecStart=/bin/ce", line)
    assert why in out.service().reason
    assert not out.result.ok


# ---- between units --------------------------------------------------------------------------------------------------


def units(**texts: str) -> dict[str, str | bytes]:
    return {f"{UNITS}/{name.replace('_', '.')}": text for name, text in texts.items()}


def test_dependencies_among_what_is_imported(take: Take) -> None:
    out = take(
        units(
            ce_service="[Unit]\nRequires=db.service\nAfter=db.service network.target other.service\n"
            "Wants=setup.service\n[Service]\nExecStart=/bin/ce\n",
            db_service="[Service]\nExecStart=/bin/db\n",
            setup_service="[Service]\nType=oneshot\nExecStart=/bin/setup\n",
        )
    )
    assert out.keys("ce")["depends_on"] == {
        "db": {"condition": "service_started", "restart": "true"},
        "setup": {"condition": "service_completed_successfully"},
    }
    fates = out.fates("ce")
    assert (fates["Requires=db.service"], fates["After=network.target"]) == ("carried", "needless")
    assert (fates["Wants=setup.service"], fates["After=other.service"]) == ("approximated", "left out")


def test_a_circle_of_orders_is_cut_at_its_weakest(take: Take) -> None:
    out = take(
        units(
            a_service="[Unit]\nAfter=b.service\n[Service]\nExecStart=/bin/a\n",
            b_service="[Unit]\nRequires=a.service\n[Service]\nExecStart=/bin/b\n",
        )
    )
    assert "depends_on" not in out.keys("a")
    assert list(out.keys("b")["depends_on"]) == ["a"]
    assert "circle" in out.how("After=b.service", "a")


def test_a_timer_is_a_schedule(take: Take) -> None:
    out = take(
        units(
            job_service="[Service]\nType=oneshot\nExecStart=/bin/job\n",
            job_timer="[Timer]\nOnCalendar=Mon..Fri *-*-* 06:30:00\nPersistent=true\nRandomizedDelaySec=1h\n",
        )
    )
    assert out.keys("job").items() >= {"schedule": "30 6 * * 1-5", "catch_up": "true"}.items()
    assert "autostart" not in out.keys("job")
    assert out.fates("job")["RandomizedDelaySec=1h"] == "left out"
    alone = take(units(lost_timer="[Timer]\nOnCalendar=daily\n"), f"{UNITS}/lost.timer")
    assert "lost.service, which is not among" in alone.service().reason


def test_sockets(take: Take) -> None:
    socket = "[Socket]\nListenStream=80\n"
    needs = take(units(ce_service="[Unit]\nRequires=ce.socket\n[Service]\nExecStart=/bin/ce\n", ce_socket=socket))
    assert "listen" in needs.service("ce").reason
    free = take(units(se_service="[Service]\nExecStart=/bin/se\n", se_socket=socket))
    assert free.fates("se")["ListenStream=80"] == "left out"


def test_what_starts_by_itself(unit: Unit, take: Take) -> None:
    assert "autostart" not in unit("ExecStart=/bin/ce").keys()
    assert unit("ExecStart=/bin/ce", install="").keys()["autostart"] == "false"
    # Where the machine says what is enabled, that counts.
    files = units(ce_service="[Service]\nExecStart=/bin/ce\n[Install]\nWantedBy=multi-user.target\n")
    files[f"{UNITS}/multi-user.target.wants/other.service"] = ""
    assert take(files, f"{UNITS}/ce.service").keys()["autostart"] == "false"
    files[f"{UNITS}/multi-user.target.wants/ce.service"] = ""
    assert "autostart" not in take(files, f"{UNITS}/ce.service").keys()


def test_drop_ins_and_resets(take: Take) -> None:
    unit = f"{UNITS}/ce.service"
    out = take(
        {
            unit: "[Service]\nExecStart=/bin/old\nNice=1\n",
            f"{unit}.d/10-a.conf": "[Service]\nExecStart=\nExecStart=/bin/new\n",
            f"{unit}.d/20-b.conf": "[Service]\nNice=2\n",
        },
        unit,
    )
    assert out.keys().items() >= {"command": "/bin/new", "nice": "2"}.items()
    assert out.service().remarks[0].file.endswith(("10-a.conf", "20-b.conf", "ce.service"))


def test_conditions_are_looked_at_once(take: Take) -> None:
    unit = f"{UNITS}/ce.service"
    head = "ConditionPathExists=/etc/there\nConditionPathExists=!/etc/there\nConditionVirtualization=!container\n"
    out = take({unit: f"[Unit]\n{head}[Service]\nExecStart=/bin/ce\n", "/etc/there": ""}, unit)
    assert out.how("ConditionPathExists=/etc/there").startswith("holds now")
    assert out.how("ConditionPathExists=!").startswith("does not hold now")
    assert out.fates()["ConditionVirtualization=!container"] == "left out"
    assert out.keys()["autostart"] == "false"


def test_aliases_and_masked_units(take: Take, tmp_path: Path) -> None:
    take(units(ssh_service="[Service]\nExecStart=/bin/ssh\n"))
    (tmp_path / UNITS.lstrip("/") / "sshd.service").symlink_to("ssh.service")
    (tmp_path / UNITS.lstrip("/") / "gone.service").symlink_to("/dev/null")
    found = import_all((f"{tmp_path}{UNITS}",), Machine(str(tmp_path)), {})
    assert {each.name: each.reason.partition(" (")[0] for each in found.services} == {"ssh": "", "gone": "is masked"}


def test_every_line_has_its_fate(unit: Unit) -> None:
    out = unit("ExecStart=/bin/ce", "Strange=1", "no assignment", unit="Documentation=man:ce(1)\nOnFailure=x.service")
    fates = out.fates()
    assert fates["Strange=1"] == fates["no assignment"] == fates["OnFailure=x.service"] == "left out"
    assert fates["Documentation=man:ce(1)"] == "needless"
    lines = {remark.line for remark in out.service().remarks}
    assert {2, 3, 5, 6, 7} <= lines
