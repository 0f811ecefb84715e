"""Pieces of logs as somebody gets to see them: as they came, behind a name, on a terminal, as JSON. Pure.

Into a pipe the log of one service goes byte for byte. Where names stand in front, a line that ends without a newline
gets one before the next begins. On a terminal nothing of a log is obeyed: what is not printable is shown as its
escape, and no line is cut.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import msgspec

from amonsup.cli.harmless import harmless, harmless_json
from amonsup.logbook import names
from amonsup.logbook.moments import rfc3339
from amonsup.logbook.pieces import Piece, cursor
from amonsup.verbs.results import LogLine

Render = Callable[[Piece], bytes]

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_ODD = re.compile(rb"[^\n]*\n|[^\n]+\Z")


class Lines:
    """Bytes to be written for each piece. `separates`: there is context, so a gap is shown as `--`."""

    def __init__(self, *, separates: bool) -> None:
        self._separates = separates
        self._ends: dict[str, int] = {}  # of each log, where the last piece shown ended

    def render(self, piece: Piece) -> bytes:
        gap = b""
        if self._separates and self._ends and self._ends.get(piece.log) != piece.position:
            gap = self.separator()
        shown = self.shown(piece)
        self._ends[piece.log] = piece.end
        return gap + shown

    def separator(self) -> bytes:
        return b"--\n"

    def shown(self, piece: Piece) -> bytes:
        return piece.data

    def last(self) -> bytes:
        """What is still owed at the end."""
        return b""


class Named(Lines):
    """Every line behind the name of its service. `prefixes`: by service."""

    def __init__(
        self, prefixes: dict[str, bytes], *, separates: bool, is_terminal: bool, names_files: bool = False
    ) -> None:
        super().__init__(separates=separates)
        self._prefixes = prefixes
        self._names_files = names_files
        self._is_terminal = is_terminal
        self._open: tuple[str, int, int] | None = None  # (log, end, life) of a line without its newline

    def shown(self, piece: Piece) -> bytes:
        prefix = self._prefix(piece.log)
        data = _safe(piece.data) if self._is_terminal else piece.data
        goes_on = self._open == (piece.log, piece.position, piece.life)
        begin = b"\n" if self._open is not None and not goes_on else b""
        has_end = data.endswith(b"\n")
        self._open = None if has_end else (piece.log, piece.end, piece.life)
        if prefix:
            body = data[:-1] if has_end else data
            data = body.replace(b"\n", b"\n" + prefix) + (b"\n" if has_end else b"")
            data = data if goes_on else prefix + data
        return begin + data

    def _prefix(self, log: str) -> bytes:
        if not self._names_files:
            return self._prefixes.get(names.service_of(log), b"")
        return f"{names.own_path(log).rpartition('/')[2]} | ".encode()

    def separator(self) -> bytes:
        return self.last() + b"--\n"

    def last(self) -> bytes:
        owed = b"\n" if self._open is not None else b""
        self._open = None
        return owed


class Documents(Lines):
    """A JSON object for each line."""

    def __init__(self) -> None:
        super().__init__(separates=False)

    def shown(self, piece: Piece) -> bytes:
        service = names.service_of(piece.log)
        stream = "err" if piece.log == names.log_name(service, is_stderr=True) else names.own_path(piece.log) or "out"
        at = rfc3339(piece.at) if piece.at else None
        position = piece.position
        documents = []
        for line in _ODD.findall(piece.data):
            position += len(line)
            bare = line.removesuffix(b"\n")
            try:
                text, raw = bare.decode(), ""
            except UnicodeDecodeError:
                text, raw = bare.decode("utf-8", "replace"), base64.b64encode(bare).decode()
            document = LogLine(service, stream, at, text, cursor(piece.log, position), piece.life, raw)
            documents.append(msgspec.json.encode(document))
        return harmless_json(b"\n".join(documents)).encode() + b"\n"


def lines_for(
    services: list[str],
    *,
    is_json: bool,
    is_terminal: bool,
    is_coloured: bool,
    separates: bool,
    names_files: bool = False,
) -> Lines:
    """How pieces of these services are shown. `names_files`: each line behind the name of the file it stands in."""
    if is_json:
        return Documents()
    if names_files:
        return Named({}, separates=separates, is_terminal=is_terminal, names_files=True)
    if len(services) == 1 and not is_terminal:
        return Lines(separates=separates)
    width = max((len(service) for service in services), default=0)
    prefixes = {}
    for number, service in enumerate(services):
        if len(services) == 1:
            prefixes[service] = b""
        elif not is_terminal:
            prefixes[service] = f"{service} | ".encode()
        elif is_coloured:
            colour = _COLOURS[number % len(_COLOURS)]
            prefixes[service] = f"\x1b[{colour}m{service:<{width}} |\x1b[0m ".encode()
        else:
            prefixes[service] = f"{service:<{width}} | ".encode()
    return Named(prefixes, separates=separates, is_terminal=is_terminal)


def _safe(data: bytes) -> bytes:
    """Lines that a terminal can do nothing with but show them."""
    text = data.decode("utf-8", "backslashreplace")
    return "\n".join(harmless(line.removesuffix("\r")) for line in text.split("\n")).encode()
