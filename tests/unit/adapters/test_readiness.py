"""sd_notify datagrams: what they say, and that nothing in them can hurt."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from amonsup.supervisor.adapters.readiness import MAX_EXTEND_S, MAX_STATUS, Notice, parse

settings.register_profile("ci", max_examples=200, deadline=None, database=None)
settings.load_profile("ci")


@pytest.mark.parametrize(
    ("datagram", "notice"),
    [
        (b"READY=1", Notice(is_ready=True)),
        (b"READY=1\n", Notice(is_ready=True)),
        (
            b"READY=1\nSTATUS=Processing requests...\nMAINPID=4711",
            Notice(True, status="Processing requests...", main_pid=4711),
        ),
        (b"STOPPING=1", Notice(is_stopping=True)),
        (b"WATCHDOG=1", Notice(is_alive=True)),
        (b"WATCHDOG=trigger", Notice(has_failed=True)),
        (b"STATUS=", Notice(status="")),
        (b"STATUS=a=b", Notice(status="a=b")),
        (b"STATUS=\xc3\xa4\xff\x1b[2J", Notice(status="ä\ufffd?[2J")),
        (b"RELOADING=1\nMONOTONIC_USEC=1", Notice(is_reloading=True)),
        (b"EXTEND_TIMEOUT_USEC=2500000", Notice(extend_s=2.5)),
        (b"EXTEND_TIMEOUT_USEC=" + b"9" * 400, Notice(extend_s=MAX_EXTEND_S)),
        (b"EXTEND_TIMEOUT_USEC=-1", Notice()),
        (b"EXTEND_TIMEOUT_USEC=1.5", Notice()),
        (b"READY=0", Notice()),
        (b"READY=11", Notice()),
        (b"ready=1", Notice()),
        (b" READY=1", Notice()),
        (b"READY", Notice()),
        (b"FDSTORE=1\nFDNAME=x\nERRNO=2\nX_OWN=1\nBARRIER=1", Notice()),
        (b"", Notice()),
        (b"=1", Notice()),
    ],
)
def test_what_datagrams_say(datagram: bytes, notice: Notice) -> None:
    assert parse(datagram) == notice
    assert parse(datagram).says_nothing is (notice == Notice())


@pytest.mark.parametrize(
    "pid", ["0", "1", "-5", "+7", " 7", "7 ", "0x10", "1e3", "2147483648", "٣٣", "²", "", "9" * 4000, "7\x00"]
)
def test_a_main_pid_that_cannot_be_one_is_none(pid: str) -> None:
    assert parse(f"MAINPID={pid}".encode()).main_pid == 0


def test_the_largest_main_pid() -> None:
    assert parse(b"MAINPID=2147483647").main_pid == 2147483647


@given(st.binary(max_size=8192))
@example(b"STATUS=" + b"\xff" * 5000)
@example(b"MAINPID=" + b"9" * 5000)
def test_any_bytes_are_a_notice(datagram: bytes) -> None:
    notice = parse(datagram)
    assert notice.status is None or len(notice.status) <= MAX_STATUS
    assert notice.status is None or notice.status.isprintable()
    assert notice.main_pid == 0 or 1 < notice.main_pid < 2**31


@given(st.text().map(lambda text: text.replace("\n", " ")))
def test_a_status_is_not_mistaken_for_anything_else(text: str) -> None:
    notice = parse(b"STATUS=" + f"{text}"[:500].encode())
    assert notice.status is not None
    assert notice == Notice(status=notice.status)


@pytest.mark.parametrize("separator", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_a_newline_separates(separator: str) -> None:
    assert not parse(f"STATUS=x{separator}READY=1".encode()).is_ready
