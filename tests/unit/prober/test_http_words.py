"""What is asked of a URL, and what an answer means: pure functions, no socket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.prober.http import judge, split


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://h", (False, "h", 80, "h", "/")),
        ("https://h", (True, "h", 443, "h", "/")),
        ("http://h:8084/a/b?c=d#e", (False, "h", 8084, "h:8084", "/a/b?c=d")),
        ("http://h?x=1", (False, "h", 80, "h", "/?x=1")),
        ("http://h#x", (False, "h", 80, "h", "/")),
        ("http://h/a:b@c", (False, "h", 80, "h", "/a:b@c")),
        ("http://[::1]:81/x", (False, "::1", 81, "[::1]:81", "/x")),
        ("http://[::1]/x", (False, "::1", 80, "[::1]", "/x")),
    ],
)
def test_split(url: str, parts: tuple[bool, str, int, str, str]) -> None:
    assert split(url) == parts


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ("", "200 OK")),
        (b"HTTP/1.0 204\r\nA: b\r\n\r\nbody", ("", "204")),
        (b"HTTP/1.1 302 Found\r\nLocation: x\r\n\r\n", ("", "302 Found")),
        (b"HTTP/1.1 404 Not \x1b[2J Found\r\n\r\n", ("answered 404 Not ?[2J Found", "")),
        (b"HTTP/1.1 500 \r\n\r\n", ("answered 500", "")),
        (b"HTTP/1.1 2000 OK\r\n\r\n", ("answered 2000 OK", "")),
        (b"HTTP/1.1 200 OK\r\n", None),
        (b"HTTP/1.1\r\n\r\n", None),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", None),
        (b"", None),
    ],
)
def test_judge(answer: bytes, verdict: tuple[str, str] | None) -> None:
    assert judge(answer) == verdict


@given(st.binary(max_size=300))
def test_no_answer_hurts(answer: bytes) -> None:
    for found in (judge(answer), judge(b"HTTP/1.1 " + answer + b"\r\n\r\n")):
        assert found is None or (isinstance(found[0], str) and all(c.isprintable() for c in "".join(found)))
