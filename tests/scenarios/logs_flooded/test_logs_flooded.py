"""Logger and supervisor killed while what services write is in the transfer pipe: only the guardian still has it."""

from __future__ import annotations

import contextlib
import fcntl
import os

import pytest
from support.logs import whole
from support.site import ScenarioError, frozen, kill_hard, until

from amonsup.logbook import index

KILLS = 6
FIONREAD = 0x541B


def in_transfer(pid: int) -> int:
    """How many bytes are in the pipe that this process holds both ends of by one descriptor."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{fd}"
        with contextlib.suppress(OSError):
            if os.readlink(path).startswith("pipe:") and _is_both_ends(pid, fd):
                pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    count = bytearray(4)
                    fcntl.ioctl(pipe, FIONREAD, count)
                    return int.from_bytes(count, "little")
                finally:
                    os.close(pipe)
    return 0


def _is_both_ends(pid: int, fd: str) -> bool:
    with open(f"/proc/{pid}/fdinfo/{fd}") as file:
        flags = next(line for line in file if line.startswith("flags:"))
    return int(flags.split()[1], 8) & os.O_ACCMODE == os.O_RDWR


def caught(site, guardian, *, with_supervisor):
    """Whether the logger was found with something in the pipe, and killed over it."""
    try:
        logger, supervisor = site.pid("logger"), site.pid("supervisor")
        if not logger or not supervisor:
            return False
        with frozen(logger):
            held = in_transfer(guardian)
            if held:
                kill_hard(logger, *([supervisor] if with_supervisor else []))
    except (ProcessLookupError, ScenarioError, FileNotFoundError):
        return False  # it was just being started again
    return held > 0


@pytest.mark.timeout(60)
def test_every_line_once_and_in_order(open_site, user):
    site = open_site(user, patches="eager_guardian")
    site.start()
    guardian = site.guardian()
    for kill in range(KILLS):
        until(lambda kill=kill: caught(site, guardian, with_supervisor=kill % 2 == 0), "something is in the pipe")
    site.write("enough", "")
    for service in ("one", "two"):
        until(lambda service=service: is_complete(site, service), "the last line arrives")
        raw, layout = whole(site, service)
        count = int(raw.rsplit(b" ", 1)[1])
        assert raw == b"".join(b"%099d\n" % number for number in range(count)) + b"wrote %d\n" % count
        assert [record[1] for record in layout.marks.of_kind(index.LIFE)] == [1]


def is_complete(site, service):
    try:
        return b"\nwrote " in (site.log_dir / f"{service}.log").read_bytes()
    except FileNotFoundError:
        return False  # being rotated
