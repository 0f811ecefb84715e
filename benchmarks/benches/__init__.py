"""The benchmarks by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable

from lab import Lab
from report import Table
from settings import Settings

from benches import bomb, cold, crash, idle, logs, memory, reading, status, successor, xmpp

Bench = Callable[[Lab, Settings], list[Table]]

BENCHES: dict[str, tuple[Bench, str]] = {
    "crash": (crash.crash, "SIGKILL of a service to the first instruction of its successor"),
    "crash_user": (crash.crash_user, "the same with user: nobody and no_new_privileges; root only"),
    "bomb": (bomb.bomb, "the same beside a fork bomb under pids_limit; root only"),
    "cold": (cold.cold, "200 services from nothing to all running"),
    "memory": (memory.memory, "PSS of all supervising processes"),
    "idle": (idle.idle, "wake-ups per second with nothing to do"),
    "logs": (logs.logs, "captured output: millions of lines, rotated"),
    "reading": (reading.reading, "logs -f to the terminal, idle, and the search of 1 GB beside zgrep"),
    "status": (status.status, "wall time of the status command"),
    "successor": (successor.successor, "kill -9 of amonsup's supervisor to a right answer by its successor"),
    "xmpp": (xmpp.xmpp, "a crash to the changed presence, memory and wake-ups with XMPP; needs Prosody"),
}
