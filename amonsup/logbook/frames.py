"""Items on their way from a reader process to a client: one line of JSON each, behind a piece's line its bytes.

    {"log":"ce.log","position":120,"at":1764000000.5,"life":3,"bytes":6}
    hello

Readable with socat. An end without `{"end":true}` means that the reader was killed: whatever came is whole, and a
cursor leads on from it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from amonsup.logbook.pieces import Idle, Item, Note, Piece, ReadError, Scanned
from amonsup.logbook.tape import BLOCK, MAX_LINE

MAX_HEADER = 1024 * 1024
MAX_BYTES = 2 * (MAX_LINE + BLOCK)

END = b'{"end":true}\n'


class FrameError(Exception):
    """The other end does not speak as a reader does."""


def encode(item: Item) -> bytes:
    if isinstance(item, Piece):
        header: dict[str, Any] = {"log": item.log, "position": item.position, "at": item.at, "life": item.life}
        if item.is_context:
            header["context"] = True
        header["bytes"] = len(item.data)
        return msgspec.json.encode(header) + b"\n" + item.data
    if isinstance(item, Note):
        return msgspec.json.encode({"note": item.text}) + b"\n"
    if isinstance(item, Scanned):
        scanned = [item.log, item.position, item.at, item.done, item.total]
        return msgspec.json.encode({"scanned": scanned}) + b"\n"
    return msgspec.json.encode({"idle": item.positions}) + b"\n"


def refusal(error: ReadError) -> bytes:
    return msgspec.json.encode({"refused": error.code, "text": error.text}) + b"\n"


class Frames:
    """Bytes as they come -> items. `is_ended` once the reader has said so."""

    def __init__(self) -> None:
        self.is_ended = False
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Item]:
        """Raises ReadError for what the reader refuses, FrameError for what is none."""
        self._buffer += data
        found: list[Item] = []
        at = 0
        while (end := self._buffer.find(b"\n", at)) >= 0:
            header = _header(bytes(self._buffer[at:end]))
            size = header.get("bytes", 0)
            if not isinstance(size, int) or not 0 <= size <= MAX_BYTES:
                raise FrameError(f"{size!r} bytes")
            if len(self._buffer) < end + 1 + size:
                break
            item = self._item(header, bytes(self._buffer[end + 1 : end + 1 + size]))
            if item is not None:
                found.append(item)
            at = end + 1 + size
        del self._buffer[:at]
        if len(self._buffer) > MAX_HEADER + MAX_BYTES:
            raise FrameError("a frame without end")
        return found

    def _item(self, header: dict[str, Any], data: bytes) -> Item | None:
        try:
            if "log" in header:
                is_context = bool(header.get("context"))
                piece = Piece(header["log"], header["position"], data, header["at"], header["life"], is_context)
                _check(piece.log, piece.position, piece.at, piece.life)
                return piece
            if "scanned" in header:
                scanned = Scanned(*header["scanned"])
                _check(scanned.log, scanned.position, scanned.at, scanned.done, scanned.total)
                return scanned
            if "idle" in header:
                for log, position in header["idle"].items():
                    _check(log, position)
                return Idle(header["idle"])
            if "note" in header:
                return Note(str(header["note"]))
            if "refused" in header:
                raise ReadError(str(header["refused"]), str(header["text"]))
        except (KeyError, TypeError, AttributeError) as wrong:
            raise FrameError(f"{wrong}") from None
        self.is_ended = self.is_ended or bool(header.get("end"))
        return None  # unknown ones are ignored: a newer reader may have more to say


def _check(log: object, *numbers: object) -> None:
    """A reader of a service's own files has the rights of that service, which could meddle. Raises FrameError."""
    are_numbers = all(type(number) in (int, float) and -1e15 < number < 1e15 for number in numbers)  # type: ignore[operator]
    if not isinstance(log, str) or not log.isprintable() or not are_numbers:
        raise FrameError("a field is none")


def _header(line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise FrameError(str(wrong)) from None
