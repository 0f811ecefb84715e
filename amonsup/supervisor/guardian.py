"""The guardian: the parent that never does anything interesting, so that it never dies.

It starts the supervisor and starts it again when it dies; it is a subreaper, so whatever loses its parent below
it is reaped here; and it keeps copies of descriptors under names (the *descriptor store*): every service's FIFO and
notify socket and the public socket. While the supervisor is down these keep their content: last words stay in the
FIFO, READY=1 stays in the notify socket, a client stays in the backlog of the public one.

What it must never do is lose an exit status. A child is looked at (WNOWAIT), identified by pid and start time,
reaped, and its status kept until a supervisor has acknowledged it; a bounded number, the oldest go first.

Should the guardian itself be killed, the supervisor turns into it (`resume`): same pid, same children, same
descriptors. An upgrade is the same step, taken on purpose. Messages: docs/protocol.md, 'Guardian and supervisor'.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import time
from collections import deque

from amonsup import boot
from amonsup.loop import channel as channels
from amonsup.loop import kernel
from amonsup.loop.channel import Channel, Message
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters import prctl

TYPE_CHECKING = False  # see loop/channel.py
if TYPE_CHECKING:
    from typing import Any

    from amonsup.loop.loop import Timer

LINK_FD = 3
LOCK_FD = 4

KEPT_EXITS = 10_000
DEATH_WINDOW_S = 30.0
STEADY_S = 5.0
WATCH_ONLY_AFTER = 5
MAX_DELAY_S = 5.0
TRIES_TO_STOP = 3
"""Supervisors in a row that die before they have taken the order to stop."""
FORWARDED = {signal.SIGTERM: "TERM", signal.SIGINT: "TERM", signal.SIGHUP: "HUP", signal.SIGUSR2: "USR2"}


class Guardian:
    """Lives for as long as the site does."""

    def __init__(self, options: dict[str, Any], lock_fd: int) -> None:
        self.options = options
        self.lock_fd = lock_fd
        self.loop = Loop()
        self.store: dict[str, int] = {}
        self.exits: dict[tuple[int, int], dict[str, Any]] = {}
        self.deaths: deque[float] = deque(maxlen=WATCH_ONLY_AFTER)
        self.total_deaths = 0
        self.pending: list[str] = []
        self.vain_tries = 0
        self.next_start: Timer | None = None
        self.supervisor_pid = 0
        self.born = 0.0
        self.link: Channel | None = None
        self.is_greeted = False
        self.is_upgrading = False
        self.exit_code: int | None = None

    # -- the supervisor --

    def start_supervisor(self) -> None:
        self.next_start = None
        ours, theirs = channels.pair()
        argv = boot.command_line("supervisor", {**self.options, "guardian": os.getpid()})
        # posix_spawn applies the actions in order; a target that is also a later source would be overwritten.
        link_source, lock_source = kernel.dup_above(theirs.fileno(), 10), kernel.dup_above(self.lock_fd, 10)
        actions = [(os.POSIX_SPAWN_DUP2, link_source, LINK_FD), (os.POSIX_SPAWN_DUP2, lock_source, LOCK_FD)]
        try:
            self.supervisor_pid = os.posix_spawn(
                argv[0], argv, os.environ, file_actions=actions, setsid=True, setsigdef=[signal.SIGPIPE]
            )
        except OSError as error:
            ours.close()
            if not self.has_given_up():
                say(f"cannot start the supervisor: {error.strerror}; tried again in {MAX_DELAY_S:g} s")
                self.next_start = self.loop.call_at(self.loop.now() + MAX_DELAY_S, self.start_supervisor)
            return
        finally:
            os.close(link_source)
            os.close(lock_source)
            theirs.close()
        self.born = self.loop.now()
        self.is_greeted = False
        self.link = Channel(self.loop, ours, self.on_message, lambda: None)

    def supervisor_ended(self, status: int) -> None:
        """Take in what it still had to say, then go down, upgrade, or start its successor."""
        self.supervisor_pid = 0
        if self.link is not None:
            self.link.receive_now()
            self.link.close()
            self.link = None
        if self.exit_code is not None:
            self.loop.stop()
        elif self.is_upgrading:
            become_guardian(self.options, self.table())
        else:
            now = self.loop.now()
            self.deaths.append(now)
            self.total_deaths += 1
            delay = self.restart_delay(now, now - self.born)
            say(f"the supervisor died ({describe(status)}); its successor starts in {delay:g} s")
            if not self.has_given_up():
                self.next_start = self.loop.call_at(now + delay, self.start_supervisor)

    def has_given_up(self) -> bool:
        """Told to stop, and no supervisor lives for long enough to do it: we end, and services are left as they are."""
        if "TERM" not in self.pending:
            return False
        self.vain_tries += 1
        if self.vain_tries < TRIES_TO_STOP:
            return False
        say("no supervisor lives for long enough to stop the services: they go on, and the next amonsupd adopts them")
        self.exit_code = 1
        self.loop.stop()
        return True

    def restart_delay(self, now: float, lived_s: float) -> float:
        """0 for a first death, after a life that did its work, and at our end; else 0.1 s, doubling to MAX_DELAY_S.

        Only short lives make a crash loop: services should not wait for somebody who kills us now and then.
        """
        recent = sum(1 for at in self.deaths if now - at < DEATH_WINDOW_S)
        is_awaited = "TERM" in self.pending
        return 0.0 if recent <= 1 or lived_s >= STEADY_S or is_awaited else min(MAX_DELAY_S, 0.1 * 2 ** (recent - 2))

    def is_unstable(self) -> bool:
        now = self.loop.now()
        return sum(1 for at in self.deaths if now - at < DEATH_WINDOW_S) >= WATCH_ONLY_AFTER

    # -- messages --

    def on_message(self, message: Message, fds: list[int]) -> None:
        kind = message["do"]
        if kind == "keep" and fds:
            self.keep(message["name"], fds.pop(0))
        elif kind == "drop":
            self.drop(message["name"])
        elif kind == "ack":
            for pid, ticks in message["exits"]:
                self.exits.pop((pid, ticks), None)
        elif kind == "hello":
            self.greet()
        elif kind == "taken":
            self.pending = [name for name in self.pending if name != message["name"]]
        elif kind == "upgrade":
            self.is_upgrading = True
        elif kind == "down":
            self.exit_code = message["code"]
        channels.close_all(fds)

    def keep(self, name: str, fd: int) -> None:
        self.drop(name)
        self.store[name] = fd

    def drop(self, name: str) -> None:
        fd = self.store.pop(name, None)
        if fd is not None:
            os.close(fd)

    def greet(self) -> None:
        """Everything a new supervisor must know: the store, the exits kept, how its predecessors fared."""
        assert self.link is not None
        items = list(self.store.items())
        for start in range(0, len(items), channels.MAX_FDS):
            part = items[start : start + channels.MAX_FDS]
            self.link.send({"do": "store", "names": [name for name, _ in part]}, tuple(fd for _, fd in part))
        for record in self.exits.values():
            self.link.send({"do": "exit", **record})
        self.link.send(
            {
                "do": "begin",
                "watch_only": self.is_unstable(),
                "deaths": self.total_deaths,
                "pending": self.pending,
            }
        )
        self.is_greeted = True

    # -- children --

    def on_child(self, _signum: int) -> None:
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            ticks = kernel.start_ticks(found.si_pid)
            trace = kernel.trace_of(found.si_pid)
            pid, status, usage = os.wait4(found.si_pid, 0)
            if pid == self.supervisor_pid:
                self.supervisor_ended(status)
            else:
                self.keep_exit(pid, ticks, status, usage, trace)

    def keep_exit(self, pid: int, ticks: int, status: int, usage: resource.struct_rusage, trace: str) -> None:
        record = {
            "pid": pid,
            "ticks": ticks,
            "status": status,
            "cpu": round(usage.ru_utime + usage.ru_stime, 6),
            "rss": usage.ru_maxrss * 1024,
            "at": self.loop.now(),
            "trace": trace,
        }
        self.exits[pid, ticks] = record
        while len(self.exits) > KEPT_EXITS:
            del self.exits[next(iter(self.exits))]
        if self.link is not None and self.is_greeted:
            self.link.send({"do": "exit", **record})

    def on_signal(self, signum: int) -> None:
        """Pass it on, and keep it until a supervisor says that it has been taken: one may die of a signal's work."""
        name = FORWARDED[signal.Signals(signum)]
        if name not in self.pending:
            self.pending.append(name)
        if self.link is not None and self.is_greeted:
            self.link.send({"do": "signal", "name": name})
        if name == "TERM" and self.next_start is not None:
            self.next_start.cancel()
            self.start_supervisor()

    # -- life --

    def table(self) -> dict[str, Any]:
        return {
            "lock": self.lock_fd,
            "store": self.store,
            "exits": list(self.exits.values()),
            "pending": self.pending,
        }

    def adopt(self, table: dict[str, Any]) -> None:
        """Be who the table says: called in a process that has just become the guardian."""
        self.store = dict(table["store"])
        self.exits = {(r["pid"], r["ticks"]): r for r in table["exits"]}
        self.pending = table["pending"]
        for fd in (self.lock_fd, *self.store.values()):
            os.set_inheritable(fd, False)

    def run(self) -> int:
        self.loop.on_signals([signal.SIGCHLD], self.on_child)
        self.loop.on_signals(FORWARDED, self.on_signal)
        # Whoever became the guardian by exec kept these blocked until now, so that none was lost or killed it.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [*FORWARDED, signal.SIGCHLD])
        write_pid(self.lock_fd)
        self.start_supervisor()
        self.on_child(signal.SIGCHLD)  # children that ended before we listened
        self.loop.run()
        return self.exit_code or 0


def become_guardian(options: dict[str, Any], table: dict[str, Any]) -> None:
    """Replace this process by a (new) guardian that holds everything in `table`. Does not return.

    table: `lock` and `store` (name -> descriptor) are inherited by number, `exits` and `pending` by value.
    """
    passed = os.memfd_create("amonsup-handover", 0)
    os.write(passed, json.dumps(table).encode())
    for fd in (table["lock"], *table["store"].values()):
        os.set_inheritable(fd, True)
    # Handlers of this program are gone after exec; a signal in the gap must wait, not kill.
    signal.pthread_sigmask(signal.SIG_BLOCK, [*FORWARDED, signal.SIGCHLD])
    kept = {key: value for key, value in options.items() if key not in ("paths", "guardian", "resume")}
    argv = boot.command_line("guardian", {**kept, "resume": passed})
    os.execv(argv[0], argv)


def write_pid(lock_fd: int) -> None:
    """Leave our pid in the lock file, for the message that a second amonsupd prints."""
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)


def describe(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit {code}" if code >= 0 else signal.Signals(-code).name


def say(text: str) -> None:
    """One line to stderr; a stderr that is gone or full must not end the guardian."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with contextlib.suppress(OSError):
        os.write(2, f"{stamp} guardian: {text}\n".encode())


def main(options: dict[str, Any]) -> int:
    """options: run_dir and site_file as the supervisor needs them, nofile (the soft limit services get), and
    either lock (a locked descriptor) or resume (a descriptor with the table of a predecessor)."""
    prctl.set_child_subreaper()
    resumed = options.pop("resume", None)
    if resumed is not None:
        os.lseek(resumed, 0, os.SEEK_SET)
        with os.fdopen(resumed, "rb") as file:
            table = json.loads(file.read())
        guardian = Guardian(options, table["lock"])
        guardian.adopt(table)
        say(f"took over as pid {os.getpid()}, {len(table['store'])} descriptors")
    else:
        lock = options.pop("lock")
        os.set_inheritable(lock, False)
        guardian = Guardian(options, lock)
    return guardian.run()


if __name__ == "__main__":
    sys.exit("started by amonsupd, not by hand")
