"""How init scripts start and stop daemons: start-stop-daemon(8), start_daemon of the LSB, daemon of Red Hat."""

from __future__ import annotations

import shlex

import msgspec

from amonsup.importing.unit_life import signal_name

_SHORT = {
    "S": "start", "K": "stop", "T": "status", "H": "help", "V": "version", "x": "exec", "n": "name", "p": "pidfile",
    "u": "user", "g": "group", "s": "signal", "R": "retry", "a": "startas", "t": "test", "o": "oknodo", "q": "quiet",
    "c": "chuid", "r": "chroot", "d": "chdir", "N": "nicelevel", "P": "procsched", "I": "iosched", "k": "umask",
    "b": "background", "C": "no-close", "m": "make-pidfile", "v": "verbose", "i": "notify-await", "O": "output",
}  # fmt: skip
_TAKES = frozenset(
    """
    exec name pidfile user group signal retry startas chuid chroot chdir nicelevel procsched iosched umask
    output ppid pid notify-timeout
    """.split()
)


class Started(msgspec.Struct):
    """How a daemon is started. `options` are those that are not a field; `odd` what is not understood."""

    command: list[str]
    pid_file: str = ""
    user: str = ""
    group: str = ""
    working_dir: str = ""
    umask: str = ""
    nice: str = ""
    iosched: str = ""
    chroot: str = ""
    is_background: bool = False
    makes_pid_file: bool = False
    notifies: bool = False
    left_out: list[str] = msgspec.field(default_factory=list)


class Stopped(msgspec.Struct, frozen=True):
    """Which signal, and for how many seconds it is waited for; '' and -1: not said."""

    signal: str = ""
    wait_s: int = -1
    pid_file: str = ""


def options(words: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Options by their long names, and what stands behind them."""
    found: dict[str, str] = {}
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if word == "--":
            return found, rest
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            name = _unabbreviated(name)
            found[name] = value if equals or name not in _TAKES else (rest.pop(0) if rest else "")
        elif word.startswith("-") and len(word) > 1:
            letters = word[1:]
            while letters:
                name, letters = _SHORT.get(letters[0], letters[0]), letters[1:]
                if name in _TAKES:
                    found[name] = letters or (rest.pop(0) if rest else "")
                    letters = ""
                else:
                    found[name] = ""
        else:
            return found, [word, *rest]
    return found, []


def _unabbreviated(name: str) -> str:
    """getopt_long takes any beginning that is not ambiguous."""
    known = {*_SHORT.values(), *_TAKES, "remove-pidfile"}
    if name in known:
        return name
    matches = [each for each in known if each.startswith(name)]
    return matches[0] if len(matches) == 1 else name


def started(words: tuple[str, ...]) -> Started | None:
    """How it starts; None: it names no program, or starts none."""
    if words[0].endswith("start-stop-daemon"):
        return _start_stop_daemon(words)
    if words[0] == "daemon":
        return _red_hat(words)
    return _lsb(words) if words[0] in ("start_daemon", "startproc") else None


def _start_stop_daemon(words: tuple[str, ...]) -> Started | None:
    given, arguments = options(words)
    program = given.get("startas") or given.get("exec", "")
    if not program:
        return None
    found = Started([program, *arguments])
    found.user, _, found.group = (
        given.get("chuid", "").replace(":", ".", 1).partition(".")
        if "." not in given.get("chuid", "")
        else (given["chuid"].replace(".", ":", 1).partition(":"))
    )
    found.group = given.get("group", "") or found.group
    found.pid_file, found.working_dir, found.umask = (
        given.get("pidfile", ""),
        given.get("chdir", ""),
        given.get("umask", ""),
    )
    found.nice, found.iosched, found.chroot = (
        given.get("nicelevel", ""),
        given.get("iosched", ""),
        given.get("chroot", ""),
    )
    found.is_background, found.notifies = "background" in given, "notify-await" in given
    found.makes_pid_file = "make-pidfile" in given
    if "user" in given and "chuid" not in given:
        found.left_out.append(f"--user {given['user']}: only tells whom a process must belong to")
    if "procsched" in given:
        found.left_out.append(f"--procsched {given['procsched']}: amonsup sets no scheduling policy")
    if "output" in given:
        found.left_out.append(f"--output {given['output']}: output goes to the service's log")
    return found


def _lsb(words: tuple[str, ...]) -> Started | None:
    """start_daemon [-f] [-n nice] [-p pidfile] program …; startproc [-u user] [-g group] is SUSE's."""
    found, rest = Started([]), list(words[1:])
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in ("-f", "-s", "-q", "-e", "-w"):
            continue
        if option == "--":
            break
        value = option[2:] or (rest.pop(0) if rest else "")
        if option[:2] == "-n":
            found.nice = value
        elif option[:2] == "-p":
            found.pid_file = value
        elif option[:2] == "-u":
            found.user = value
        elif option[:2] == "-g":
            found.group = value
        else:
            found.left_out.append(f"{option} {value}: is not understood")
    found.command = rest
    return found if rest else None


def _red_hat(words: tuple[str, ...]) -> Started | None:
    """daemon [+N|-N] [--check=name] [--user=name] [--pidfile=file] program …: one argument is words of a shell."""
    found, rest = Started([]), list(words[1:])
    while rest and rest[0][:1] in "+-" and rest[0]:
        option = rest.pop(0)
        name, _, value = option.partition("=")
        if name in ("--user", "--pidfile", "--check"):
            value = value or (rest.pop(0) if rest and "=" not in option else "")
            if name == "--user":
                found.user = value
            elif name == "--pidfile":
                found.pid_file = value
        elif option.lstrip("+-").isdigit():
            found.nice = option.lstrip("+")
        elif option not in ("--force",):
            found.left_out.append(f"{option}: is not understood")
    try:
        found.command = shlex.split(rest[0]) if len(rest) == 1 else rest
    except ValueError:
        found.command = rest
    if found.command[-1:] == ["&"]:
        found.command, found.is_background = found.command[:-1], True
    return found if found.command else None


def stopped(words: tuple[str, ...]) -> Stopped | None:
    """How it is asked to stop; None: that is no stop."""
    if words[0].endswith("start-stop-daemon"):
        given, _ = options(words)
        if "stop" not in given or "test" in given:
            return None
        name, wait_s = signal_name(given.get("signal", "")), -1
        steps = given.get("retry", "").split("/")
        if steps and steps[0]:
            first, wait_s = _schedule(steps)
            name = first or name
        return Stopped(name, wait_s, given.get("pidfile", ""))
    if words[0] in ("killproc", "kill_daemon"):
        rest = [word for word in words[1:] if word]
        signals = [found for word in rest if word.startswith("-") and (found := signal_name(word.lstrip("-")))]
        pid_file = rest[rest.index("-p") + 1] if "-p" in rest[:-1] else ""
        return Stopped(signals[0] if signals else "", -1, pid_file)
    return None


def _schedule(steps: list[str]) -> tuple[str, int]:
    """--retry: the first signal, and the seconds until KILL."""
    if len(steps) == 1:
        return "", int(steps[0]) if steps[0].isdecimal() and len(steps[0]) < 7 else -1
    if steps[0] == "forever":
        return signal_name(steps[1]), -1
    name, wait_s = "", 0
    for signal, pause in zip(steps[::2], steps[1::2], strict=False):
        found = signal_name(signal.lstrip("-"))
        if found == "SIGKILL":
            break
        name = name or found
        wait_s += int(pause) if pause.isdecimal() and len(pause) < 7 else 0
    return name, wait_s
