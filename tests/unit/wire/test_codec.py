"""One message, one line: golden lines of protocol 1, round trips, and junk."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amonsup.verbs import results
from amonsup.wire import messages
from amonsup.wire.codec import LineError, decode_answer, decode_request, encode
from amonsup.wire.messages import Request, ServerMessage

settings.register_profile("ci", max_examples=200, deadline=None, database=None)
settings.load_profile("ci")

GOLDEN = Path(__file__).with_name("golden")
KINDS: dict[str, type[msgspec.Struct]] = {
    str(kind.__struct_config__.tag): kind
    for _, kind in inspect.getmembers(messages, inspect.isclass)
    if issubclass(kind, msgspec.Struct) and kind.__struct_config__.tag
}


def decode(kind: str, line: bytes) -> Any:
    return decode_request(line) if kind == "request" else decode_answer(line)


def golden_lines() -> list[tuple[str, bytes]]:
    return [
        (path.stem, line + b"\n") for path in sorted(GOLDEN.glob("*.jsonl")) for line in path.read_bytes().splitlines()
    ]


# ---- golden lines --------------------------------------------------------------------------------------------------


def test_every_message_has_its_golden_line() -> None:
    assert {path.stem for path in GOLDEN.glob("*.jsonl")} == set(KINDS)


@pytest.mark.parametrize(("kind", "line"), golden_lines())
def test_a_golden_line_is_understood_and_written_the_same(kind: str, line: bytes) -> None:
    message = decode(kind, line)
    assert type(message) is KINDS[kind]
    assert encode(message) == line


@pytest.mark.parametrize(("kind", "line"), golden_lines())
def test_a_field_that_a_later_version_adds_is_ignored(kind: str, line: bytes) -> None:
    later = json.dumps({**json.loads(line), "since_version_9": {"x": [1]}}).encode()
    assert decode(kind, later) == decode(kind, json.dumps(json.loads(line)).encode())


def test_results_in_golden_lines_are_what_verbs_answer() -> None:
    lines = dict(golden_lines())
    assert msgspec.json.decode(decode_answer(lines["answer"]).result, type=results.StatusResult)
    assert msgspec.json.decode(decode_answer(lines["finished"]).result, type=results.OperationResult)
    assert msgspec.json.decode(decode_answer(lines["event"]).event, type=results.Happening)


# ---- round trips ---------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
raws = json_values.map(lambda value: msgspec.Raw(msgspec.json.encode(value)))
ids = st.text(min_size=1, max_size=messages.MAX_ID).filter(str.isprintable)
answers = st.one_of(
    st.builds(messages.Hello),
    st.builds(messages.Answer, result=raws),
    st.builds(messages.Refused, code=st.sampled_from(sorted(messages.REFUSALS))),
    st.builds(messages.Accepted),
    st.builds(messages.Finished, result=raws),
    st.builds(messages.EventLine, event=raws),
)


@given(st.builds(Request, id=ids, args=st.dictionaries(st.text(), json_values, max_size=4)))
def test_a_request_arrives_as_it_was_sent(request: Request) -> None:
    line = encode(request)
    assert line.count(b"\n") == 1
    assert decode_request(line) == request


@given(answers)
def test_an_answer_arrives_as_it_was_sent(answer: ServerMessage) -> None:
    line = encode(answer)
    assert line.count(b"\n") == 1
    assert decode_answer(line) == answer


# ---- junk ----------------------------------------------------------------------------------------------------------

nearly = st.builds(
    lambda line, at, junk: line[: at % len(line)] + junk + line[at % len(line) :],
    st.sampled_from([line for _, line in golden_lines()]),
    st.integers(0, 10_000),
    st.binary(max_size=4),
)


@given(st.one_of(st.binary(max_size=300), nearly, json_values.map(msgspec.json.encode)))
def test_junk_is_a_line_error_and_nothing_else(line: bytes) -> None:
    for understand in (decode_request, decode_answer):
        try:
            understand(line)
        except LineError:
            pass  # anything else would end the test


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null",
        b"[]",
        b"{}",
        b'{"type":"reboot","id":"1","verb":"x"}',
        b'{"type":"request","id":1,"verb":"x"}',
        b'{"type":"request","id":"1","verb":"x","args":[]}',
        b'{"type":"request","id":"1","verb":"x","args":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"type":"request","id":"1","verb":"x","args":{"a":' * 3000,
        b'{"type":"request","id":"1","verb":"x"} {}',
        b'{"type":"request","id":"1","verb":"\xff"}',
        b'{"type":"request","id":"1","verb":"\\ud800"}',
        b'{"type":"request","id":"1","verb":"x","args":{"n":1e999}}',
        b"\x00" * 1000,
    ],
)
def test_bad_lines(line: bytes) -> None:
    with pytest.raises(LineError):
        decode_request(line)


@pytest.mark.parametrize("id_", ["", "x" * 101, "a\nb", "\x1b[2J", "a\u2028b"])
def test_ids_are_printable_and_short(id_: str) -> None:
    with pytest.raises(LineError, match="id: 1 to 100 printable characters"):
        decode_request(encode(Request(id=id_, verb="status")))


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(LineError, match="reboot"):
        decode_answer(b'{"type":"reboot"}')


def test_every_refusal_gives_an_exit_status_of_the_interface() -> None:
    assert set(messages.REFUSALS.values()) <= {1, 2, 4}
    assert messages.REFUSALS["forbidden"] == 4
