"""`logs --save FILE`: a whole log into a gzip file, which can be interrupted anywhere and gone on with.

What has come so far lies in FILE.part: one gzip member (RFC 1952) after another, each a few megabytes of log. Beside
it FILE.part.json says how many bytes of it are whole, and the cursor behind them; it is replaced after each member.
Whoever goes on cuts FILE.part to that length and asks from that cursor on. At the end FILE.part becomes FILE, an
ordinary gzip file of several members, which every tool reads as one.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from amonsup.cli.errors import DONE, FAILED, WRONG_USE, CommandError, UsageError
from amonsup.cli.log_source import Source
from amonsup.cli.output import Output
from amonsup.logbook.pieces import Note, Piece, Scanned, cursor, keep_position, parse_cursors
from amonsup.logbook.reading import Query
from amonsup.verbs.page import size

if TYPE_CHECKING:
    from amonsup.cli.logs import Searching

MEMBER = 4 * 1024 * 1024
"""Bytes of log in one member: what an interruption can cost."""

_ALLOWED = ("services", "since", "until", "life", "stream", "file", "cursor")


class Part(msgspec.Struct):
    """FILE.part.json. `asked` must be the same for who goes on."""

    asked: dict[str, Any]
    whole: int = 0
    saved: int = 0
    cursor: str = ""


def check(wanted: dict[str, Any]) -> None:
    """Raises UsageError for what does not go together."""
    others = [f"--{name.replace('_', '-')}" for name in wanted if name not in _ALLOWED]
    if others:
        raise UsageError(f"logs: --save takes the whole log: not together with {', '.join(others)}")


def save(file: str, query: Query, source: Source, progress: Searching, output: Output) -> int:
    """The exit status. Raises CommandError."""
    try:
        if os.path.lexists(file):
            raise CommandError("failed", f"{file} is there already", WRONG_USE)
        return _save(file, query, source, progress, output)
    except OSError as error:
        where = error.filename or file
        text = f"{where}: {error.strerror}"
        raise CommandError("failed", text, FAILED, "asked again, it goes on from there") from None
    finally:
        progress.clear()


def _save(file: str, query: Query, source: Source, progress: Searching, output: Output) -> int:
    part = _found(file, query)
    positions = parse_cursors(part.cursor) if part.cursor else {}
    before = part.saved
    fd = os.open(f"{file}.part", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        os.ftruncate(fd, part.whole)
        waiting: list[bytes] = []
        amount = 0
        services, items = source(msgspec.structs.replace(query, cursor=part.cursor or query.cursor))
        if len(services) != 1:
            raise UsageError(f"logs: --save takes one service, not {', '.join(services)}")
        for item in items:
            if isinstance(item, Note):
                output.remark(item.text)
            if isinstance(item, Scanned):
                progress.look(item)
            if not isinstance(item, Piece):
                continue
            waiting.append(item.data)
            amount += len(item.data)
            keep_position(positions, item.log, item.end)
            if amount >= MEMBER:
                _add(file, fd, part, b"".join(waiting), positions)
                waiting.clear()
                amount = 0
        _add(file, fd, part, b"".join(waiting), positions)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(f"{file}.part", file)
    os.unlink(f"{file}.part.json")
    gone_on = f", {size(before)} of it saved before" if before else ""
    if output.is_json:
        output.document({"file": file, "bytes": part.saved, "packed_bytes": part.whole, "cursor": part.cursor})
    else:
        output.text(f"{file}: {size(part.saved)} of log{gone_on}, {size(part.whole)} compressed\n")
    return DONE


def _found(file: str, query: Query) -> Part:
    """What an earlier attempt has left, or a new beginning."""
    everything = msgspec.json.decode(msgspec.json.encode(query), type=dict[str, Any])  # as it is read back
    asked = {name: value for name, value in everything.items() if value and name in _ALLOWED}
    try:
        with open(f"{file}.part.json", "rb") as record:
            part = msgspec.json.decode(record.read(1 << 20), type=Part)
        is_whole = os.stat(f"{file}.part").st_size >= part.whole
    except FileNotFoundError:
        return Part(asked)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        part, is_whole = Part({}), False
    if part.asked != asked or not is_whole:
        text = f"{file}.part was begun with something else"
        raise CommandError("failed", text, WRONG_USE, f"remove {file}.part and {file}.part.json to begin anew")
    return part


def _add(file: str, fd: int, part: Part, data: bytes, positions: dict[str, int]) -> None:
    """One member, then the word that it is whole."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    packed = packer.compress(data) + packer.flush()
    at = part.whole
    while packed:
        written = os.pwrite(fd, packed, at)
        packed = packed[written:]
        at += written
    part.whole, part.saved = at, part.saved + len(data)
    part.cursor = ",".join(cursor(log, position) for log, position in positions.items())
    temporary = f"{file}.part.json.new"
    with open(temporary, "wb") as record:
        record.write(msgspec.json.encode(part))
    os.rename(temporary, f"{file}.part.json")
