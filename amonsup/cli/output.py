"""Where words go: pages and documents to stdout, errors to stderr (with --json as a document to stdout).

A reader that has gone (`| head`) is no error: nothing more is shown and the exit status stays what it was.
After any failed write the stream is given up, so that the interpreter does not try again at its end.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

import msgspec

from amonsup.cli import plain
from amonsup.cli.errors import FAILED, CommandError
from amonsup.cli.harmless import harmless, harmless_json
from amonsup.verbs.page import Page


class Output:
    """`is_open`: there still is somebody to write for; `redraws`: a terminal whose cursor we can move."""

    def __init__(
        self, stdout: TextIO | None, stderr: TextIO | None, environ: Mapping[str, str], *, is_json: bool
    ) -> None:
        self.is_json = is_json
        self.is_open = True
        self._stdout, self._stderr = stdout, stderr
        self.is_plain = bool(environ.get("NO_COLOR"))
        is_dumb = environ.get("TERM", "") in ("", "dumb")
        self.is_coloured = not is_dumb and not environ.get("NO_COLOR") and _is_terminal(stdout)
        self.redraws = not is_json and not is_dumb and _is_terminal(stdout)
        self.shows_progress = not is_json and not is_dumb and _is_terminal(stderr)
        for stream in (stdout, stderr):
            if isinstance(stream, io.TextIOWrapper):
                if is_json:
                    stream.reconfigure(encoding="utf-8")
                else:
                    stream.reconfigure(errors="backslashreplace")

    @property
    def progress_stream(self) -> TextIO | None:
        return self._stderr if self.shows_progress else None

    def page(self, page: Page) -> None:
        if self.redraws:
            from amonsup.cli import terminal  # rich: a terminal is in no hurry

            self._write(terminal.render(page, self.size()[0], has_colours=self.is_coloured))
        else:
            self._write(plain.render(page))

    def drawn(self, page: Page, columns: int) -> str:
        """A page for a terminal whose lines are cut instead of wrapped."""
        from amonsup.cli import terminal

        return terminal.render(page, columns, cuts=True, has_colours=self.is_coloured)

    def size(self) -> tuple[int, int]:
        """Columns and lines of the terminal; 80x24 for one that was never told."""
        try:
            found = os.get_terminal_size(self._stdout.fileno()) if self._stdout is not None else (0, 0)
        except (OSError, ValueError):
            found = (0, 0)
        return found[0] or 80, found[1] or 24

    @property
    def is_terminal(self) -> bool:
        return _is_terminal(self._stdout)

    def aside(self, page: Page) -> None:
        """A page beside the answer: to stderr."""
        if self._stderr is None:
            return
        try:
            if _is_terminal(self._stderr) and self.shows_progress and not self.is_plain:
                from amonsup.cli import terminal

                self._stderr.write(terminal.render(page, _columns(self._stderr)))
            else:
                self._stderr.write(plain.render(page))
            self._stderr.flush()
        except OSError:
            _give_up(self._stderr)
            self._stderr = None

    def text(self, text: str) -> None:
        self._write(text)

    def raw(self, data: bytes) -> None:
        """Bytes of others, as they are, or made harmless by whoever brings them."""
        if not data or self._stdout is None or not self.is_open:
            return
        try:
            self._stdout.buffer.write(data)
            self._stdout.buffer.flush()
        except OSError as wrong:
            self._lost(wrong)

    def remark(self, text: str) -> None:
        """Something beside what was asked for, to stderr."""
        if self._stderr is not None:
            try:
                self._stderr.write(f"amonsup: {harmless(text)}\n")
                self._stderr.flush()
            except OSError:
                _give_up(self._stderr)
                self._stderr = None

    def document(self, document: Any) -> None:
        """One JSON document on one line; indented where a person looks at it."""
        encoded = msgspec.json.encode(document)
        if _is_terminal(self._stdout):
            encoded = msgspec.json.format(encoded, indent=2)
        self._write(f"{harmless_json(encoded)}\n")

    def lines(self, documents: Iterable[Any]) -> None:
        """One JSON document a line."""
        self._write("".join(f"{harmless_json(msgspec.json.encode(each))}\n" for each in documents))

    def error(self, error: CommandError) -> int:
        """Show it; the exit status it gives. Never raises."""
        if self.is_json and self.is_open:
            try:
                self.document({"error": {"code": error.code, "text": _utf8(error.text)}})
            except CommandError:
                pass  # there is nowhere to say that it cannot be said
            return error.status
        lines = [*error.text.split("\n"), *(error.advice.split("\n") if error.advice else ())]
        if self._stderr is not None:
            try:
                self._stderr.write("".join(f"{line}\n" for line in _prefixed(lines)))
                self._stderr.flush()
            except OSError:
                _give_up(self._stderr)
                self._stderr = None
        return error.status

    def _write(self, text: str) -> None:
        if self._stdout is None or not self.is_open:
            return
        try:
            self._stdout.write(text)
            self._stdout.flush()
        except OSError as wrong:
            self._lost(wrong)

    def _lost(self, wrong: OSError) -> None:
        assert self._stdout is not None
        _give_up(self._stdout)
        self.is_open = False
        if not isinstance(wrong, BrokenPipeError):
            raise CommandError("output", f"cannot write the answer: {wrong.strerror}", FAILED) from None


def _prefixed(lines: list[str]) -> list[str]:
    return [f"{'amonsup: ' if index == 0 else '  '}{harmless(line)}" for index, line in enumerate(lines)]


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _give_up(stream: TextIO) -> None:
    """What is still in its buffer goes nowhere, now and at the interpreter's end."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.dup2(null, stream.fileno())
    finally:
        os.close(null)


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()
