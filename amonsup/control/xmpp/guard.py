"""Bounds on what a server may send, checked before anything is built of it.

The library's parser takes stanzas of any size and depth, and a document type with entities that blow up. This one
runs in front of it, builds nothing, and refuses: a document type, comments and processing instructions (RFC 6120,
11.1: none of them may occur), a stanza beyond MAX_STANZA bytes (also one that never ends), and before the login one
of more than MAX_DEPTH levels or MAX_ATTRIBUTES. After it such a stanza may be a stranger's, whom an honest server lets
pass: then it is to be emptied, for who ended the session over it would let strangers end sessions. MAX_STANZA is above
what servers let pass, 512 KiB from other servers.
"""

from __future__ import annotations

from typing import NoReturn
from xml.parsers import expat

MAX_STANZA = 640 * 1024
MAX_DEPTH = 40
MAX_ATTRIBUTES = 100


class HostileError(Exception):
    """The stream is not to be listened to any longer; the text says why."""


class Guard:
    """One stream; `restart` for each new stream header. `strange`: which stanzas of it (0, 1 …) are to be emptied."""

    def __init__(self) -> None:
        self.restart()

    def restart(self, *, is_logged_in: bool = False) -> None:
        self.strange: set[int] = set()
        self._is_logged_in = is_logged_in
        self._ended = 0
        parser = self._parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = lambda *_: _refuse("a document type")
        parser.EntityDeclHandler = lambda *_: _refuse("an entity")
        parser.ProcessingInstructionHandler = lambda *_: _refuse("a processing instruction")
        parser.CommentHandler = lambda *_: _refuse("a comment")
        parser.CharacterDataHandler = self._text
        self._depth = 0
        self._begun = 0
        self._fed = 0

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes. Raises HostileError; what is merely malformed is left to the library to notice."""
        parser = self._parser
        self._fed += len(chunk)
        try:
            parser.Parse(chunk, False)
        except expat.ExpatError as error:
            raise HostileError(f"not XML: {error}") from None
        finally:
            if self._parser is parser and self._fed - self._begun > MAX_STANZA:
                _refuse(f"a stanza of more than {MAX_STANZA} bytes")

    def _start(self, _name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._is_strange(f"more than {MAX_DEPTH} levels")
        if len(attributes) > MAX_ATTRIBUTES:
            self._is_strange(f"more than {MAX_ATTRIBUTES} attributes")
        if self._depth <= 2:
            self._begun = self._parser.CurrentByteIndex

    def _is_strange(self, what: str) -> None:
        if not self._is_logged_in:
            _refuse(what)
        self.strange.add(self._ended)

    def _end(self, _name: str) -> None:
        self._depth -= 1
        self._ended += self._depth == 1
        if self._depth <= 1:
            if self._parser.CurrentByteIndex - self._begun > MAX_STANZA:
                _refuse(f"a stanza of more than {MAX_STANZA} bytes")
            self._begun = self._parser.CurrentByteIndex

    def _text(self, _text: str) -> None:
        if self._depth <= 1:  # a keep-alive between stanzas
            self._begun = self._parser.CurrentByteIndex


def _refuse(what: str) -> NoReturn:
    raise HostileError(what)
