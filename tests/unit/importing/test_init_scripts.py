"""SysV init scripts: every idiom by a small script of our own, and what it becomes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.imported import UNITS, Out, Take

Script = Callable[..., Out]

CLASSIC = """#!/bin/sh
### BEGIN INIT INFO
# Provides:          ce
# Required-Start:    $remote_fs $network
# Should-Start:      nowhere
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Computing element
### END INIT INFO
NAME=ce
DAEMON=/opt/$NAME/bin/$NAME
PIDFILE=/run/$NAME/$NAME.pid
DAEMON_OPTS=""
[ -x "$DAEMON" ] || exit 0
[ -r /etc/default/$NAME ] && . /etc/default/$NAME
. /lib/lsb/init-functions
do_start() {
    mkdir -p /run/$NAME
    chown alien:grid /run/$NAME
    start-stop-daemon --start --quiet --pidfile $PIDFILE --exec $DAEMON --test > /dev/null || return 1
    start-stop-daemon --start --quiet --chuid alien:grid --pidfile $PIDFILE --exec $DAEMON -- \\
        --daemon $DAEMON_OPTS || return 2
}
do_stop() {
    start-stop-daemon --stop --quiet --retry=QUIT/45/KILL/5 --pidfile $PIDFILE --name $NAME
    rm -f $PIDFILE
}
case "$1" in
  start)
    log_daemon_msg "Starting" "$NAME"
    do_start
    case "$?" in 0|1) log_end_msg 0 ;; 2) log_end_msg 1 ;; esac
    ;;
  stop) do_stop ;;
  reload|force-reload)
    start-stop-daemon --stop --signal HUP --quiet --pidfile $PIDFILE ;;
  restart) do_stop; do_start ;;
  *) echo "Usage: $0 {start|stop}" >&2; exit 3 ;;
esac
"""


def script_of(*start: str, head: str = "", stop: str = ":") -> str:
    lines = "\n    ".join(start)
    return f'#!/bin/sh\n{head}\ncase "$1" in\n  start)\n    {lines}\n    ;;\n  stop)\n    {stop}\n    ;;\nesac\n'


def test_the_classic(script: Script) -> None:
    out = script(CLASSIC, {"/etc/default/ce": "# settings\nDAEMON_OPTS='-v --level 3'\n"})
    assert out.keys() == {
        "description": "Computing element",
        "command": "/opt/ce/bin/ce --daemon -v --level 3",
        "user": "alien",
        "group": "grid",
        "type": "forking",
        "pid_file": "/run/ce/ce.pid",
        "restart": "no",
        "stop_signal": "SIGQUIT",
        "stop_grace_period": "45s",
        "reload": "SIGHUP",
        "depends_on": {"ce-prepare": {"condition": "service_completed_successfully"}},
    }
    assert out.keys(of="ce-prepare")["command"][2] == "mkdir -p /run/ce && chown alien:grid /run/ce"
    fates = out.fates()
    assert fates["/etc/default/ce"] == "approximated"
    assert fates["Required-Start: $network"] == "needless"
    assert fates["Should-Start: nowhere"] == "left out"
    for remark in out.service().remarks:
        line = CLASSIC.splitlines()[remark.line - 1]
        assert remark.file == "/etc/init.d/ce"
        assert remark.what.split()[0].strip(":") in line or remark.what in ("init script", "/etc/default/ce"), remark


def test_what_the_script_puts_into_the_background_stays_in_front(script: Script) -> None:
    out = script(
        script_of("start-stop-daemon -Sbmq -p /run/ce.pid -x /bin/ce -u ce -c ce -d /srv -k 027 -N 5 -I idle -- -f")
    )
    keys = out.keys()
    assert keys["command"] == "/bin/ce -f"
    assert "type" not in keys
    assert keys.items() >= {"user": "ce", "working_dir": "/srv", "umask": "027", "nice": "5", "ionice": "idle"}.items()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("start_daemon -n 3 -p /run/ce.pid /bin/ce -x", {"command": "/bin/ce -x", "nice": "3",
        "pid_file": "/run/ce.pid"}),
        ("daemon --user=ce --pidfile=/run/ce.pid /bin/ce -x", {"command": "/bin/ce -x", "user": "ce"}),
        ('daemon --user ce --pidfile /run/ce.pid "/bin/ce -x y"', {"command": "/bin/ce -x y", "user": "ce"}),
        ('daemon +5 --user=ce "/bin/ce -f &"', {"command": "/bin/ce -f", "nice": "5"}),
        ("start-stop-daemon --start --notify-await --exec /bin/ce", {"type": "notify"}),
        ("start-stop-daemon --start -b --startas /bin/wrap --exec /bin/ce -- a", {"command": "/bin/wrap a"}),
        ("A=1 start-stop-daemon -S -b -x /bin/ce", {"environment": {"A": "1"}}),
        ("export B=2; ulimit -n 4096; umask 077; cd /srv; start-stop-daemon -S -b -x /bin/ce",
         {"environment": {"B": "2"}, "ulimits": {"nofile": "4096"}, "umask": "077", "working_dir": "/srv"}),
        ("if ! start-stop-daemon --start -b --exec /bin/ce; then exit 1; fi", {"command": "/bin/ce"}),
        ('for d in a b; do X="$X -$d"; done; start-stop-daemon -S -b -x /bin/ce -- $X', {"command": "/bin/ce -a -b"}),
        ('start-stop-daemon -S -b -x /bin/ce -- "$(basename $0)" ${0##*/} ${U:-none} ${U:+never}',
        {"command": "/bin/ce ce ce none"}),
    ],
)  # fmt: skip
def test_ways_to_start(script: Script, line: str, wanted: dict[str, object]) -> None:
    assert script(script_of(line)).keys().items() >= wanted.items()


def test_init_d_script(script: Script) -> None:
    out = script(
        "#!/bin/sh /lib/init/init-d-script\n### BEGIN INIT INFO\n# Provides: ce\n### END INIT INFO\n"
        'DAEMON=/usr/sbin/ced\nDAEMON_ARGS="-a b"\nRELOAD_SIGNAL=USR1\n'
    )
    wanted = {"command": "/usr/sbin/ced -a b", "pid_file": "/var/run/ced.pid", "reload": "SIGUSR1", "type": "forking"}
    assert out.keys().items() >= wanted.items()


def test_several_daemons_are_several_services(script: Script) -> None:
    lines = [f"start-stop-daemon -S -p /run/{each}.pid -x /sbin/{each}" for each in ("smbd", "nmbd")]
    out = script(script_of(*lines))
    assert [each.name for each in out.result.services] == ["ce", "ce-nmbd"]
    assert out.keys("ce-nmbd")["pid_file"] == "/run/nmbd.pid"


def test_what_is_switched_off_stays_off(script: Script) -> None:
    head = 'ENABLED=0\n[ -r /etc/default/ce ] && . /etc/default/ce\n[ "$ENABLED" = 1 ] || exit 0'
    text = script_of("start-stop-daemon -S -b -x /bin/ce", head=head)
    out = script(text)
    assert out.keys()["autostart"] == "false"
    assert out.how("exit").startswith("as its settings are now")
    assert "autostart" not in script(text, {"/etc/default/ce": "ENABLED=1\n"}).keys()


@pytest.mark.parametrize(
    "line", ["if already-there; then exit 0; fi", "if ! fit-to-run; then exit 1; fi",
             "if grep -q no /etc/x; then exit; fi",
             "helper() { [ -z \"$X\" ] && return 1; }; helper",
             "under-upstart >/dev/null && exit 1", "[ -e /run/nologin ] && exit 0", "is-fit || exit 1"]
)  # fmt: skip
def test_an_exit_that_only_a_run_would_take_is_not_taken(script: Script, line: str) -> None:
    out = script(script_of("start-stop-daemon -S -b -x /bin/ce", head=line))
    assert out.keys()["command"] == "/bin/ce"
    assert "autostart" not in out.keys()


def test_what_only_a_run_would_tell(script: Script) -> None:
    """Then the script itself does it."""
    command = "start-stop-daemon -S -b -x /bin/ce -- $(cat /proc/cmdline)"
    out = script(script_of(command, head="PIDFILE=/run/ce.pid"))
    wanted = {"command": "/etc/init.d/ce start", "pre_stop": "/etc/init.d/ce stop", "type": "forking"}
    assert out.keys().items() >= {**wanted, "pid_file": "/run/ce.pid"}.items()
    assert out.service().outcome == "approximated"
    without = script(script_of(command))
    assert "pid_file" not in without.keys()
    assert "is only known when it runs" in without.how("start")


def test_conditions_that_cannot_be_seen(script: Script) -> None:
    head = "if hidden-command; then OPTS=-x; fi"
    out = script(script_of("start-stop-daemon -S -b -x /bin/ce -- $OPTS", "secret-step --now", head=head))
    assert out.fates()["secret-step --now"] == "left out"
    assert out.fates()["hidden-command"] == "left out"


def test_forking_without_a_pid_file(script: Script) -> None:
    out = script(script_of("start-stop-daemon --start --exec /bin/ce"))
    assert (out.keys()["type"], out.keys().get("pid_file")) == ("forking", None)
    assert any("oldest process" in remark.how for remark in out.service().remarks if remark.fate == "approximated")


def test_no_daemon(script: Script) -> None:
    refused = script(script_of("modprobe x", "setup-it")).service()
    assert "it runs: modprobe, setup-it" in refused.reason
    assert refused.outcome == "refused"


def test_order_among_scripts(take: Take) -> None:
    header = "### BEGIN INIT INFO\n# Provides: {0}\n# Required-Start: {1}\n### END INIT INFO\n"
    out = take(
        {
            f"/etc/init.d/{name}": script_of(f"start-stop-daemon -S -b -x /bin/{name}").replace(
                "\n", f"\n{header.format(name, needs)}", 1
            )
            for name, needs in (("db", "app"), ("app", "db"))
        }
    )
    found = {name: list(out.keys(name).get("depends_on", {})) for name in ("app", "db")}
    assert sorted(map(len, found.values())) == [0, 1], "a circle is cut"


def test_a_unit_of_the_same_name_counts(take: Take) -> None:
    out = take({"/etc/init.d/ce": CLASSIC, f"{UNITS}/ce.service": "[Service]\nExecStart=/bin/ce\n"})
    refused = [each for each in out.result.services if each.kind == "sysv"]
    assert [each.reason.partition(" that")[0] for each in refused] == ["the systemd unit of"]


def test_include_that_includes_itself(script: Script) -> None:
    text = script_of("start-stop-daemon -S -b -x /bin/ce", head=". /etc/default/ce")
    out = script(text, {"/etc/default/ce": ". /etc/default/ce\nX=1\n"})
    assert out.keys()["command"] == "/bin/ce"


def test_recursion_ends(script: Script) -> None:
    assert "without end" in script(script_of("f", head="f() { g; }\ng() { f; }")).service().reason
    deep = "{ " * 5000 + "}" * 5000
    assert script(script_of(deep)).service().reason


def test_nothing_is_executed(script: Script, tmp_path: Path) -> None:
    mark = f"{tmp_path}/executed"
    script(script_of(f"touch {mark}; X=$(touch {mark}); `touch {mark}`; eval touch {mark}", head=f"touch {mark}"))
    assert not Path(mark).exists()


def test_background_without_a_pid_file_of_its_own_is_doubtful(script: Script) -> None:
    """Then the program writes it, and may go into the background once more by itself."""
    out = script(script_of("start-stop-daemon -S -b -p /run/ce.pid -x /bin/ce"))
    assert any("type: forking" in remark.how for remark in out.service().remarks if remark.fate == "approximated")
    clear = script(script_of("start-stop-daemon -S -b -m -p /run/ce.pid -x /bin/ce"))
    assert not any("type: forking" in remark.how for remark in clear.service().remarks)


def test_a_pid_file_that_no_command_looks_at_is_not_taken(script: Script) -> None:
    out = script(script_of("start-stop-daemon -S -x /bin/ce", head="PIDFILE=/run/other.pid"))
    assert "pid_file" not in out.keys()
