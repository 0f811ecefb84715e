"""`amonsup logs`: lines from wherever they can be had, to whoever reads them.

First hits are written as soon as they are found. A person who waits for longer than a second without a line is told
how far the search is.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from amonsup.cli import asked_moments, log_lines, log_source
from amonsup.cli.errors import DONE, NO_DAEMON, WRONG_USE, CommandError, UsageError
from amonsup.cli.output import Output
from amonsup.config.errors import nearest
from amonsup.logbook.names import log_name
from amonsup.logbook.pieces import Idle, Item, Note, Piece, Scanned
from amonsup.logbook.reading import Query, logs_of
from amonsup.logbook.tape import may_read
from amonsup.verbs.page import size
from amonsup.verbs.verb import Verb

FLUSH_AT = 64 * 1024
PATIENCE_S = 1.0
ASK_TIMEOUT_S = 30.0


class Site:
    """Where the daemon's socket is, and its logs; `log_dir` is empty if only the socket was named."""

    def __init__(self, socket: str, config: str, environ: Mapping[str, str]) -> None:
        self.socket, self.log_dir = socket, ""
        if not socket:
            from amonsup.cli import local

            site = local.site_of(config, environ)
            self.socket, self.log_dir = site.socket, site.log_dir


def run(verb: Verb, args: dict[str, Any], site: Site, timeout_s: float, output: Output) -> int:
    """The exit status. Ctrl-C ends it quietly: what was asked for was seen."""
    if not args.get("services"):
        raise UsageError("logs: SERVICE is missing", verb)
    wanted = asked_moments.absolute(args)
    file = wanted.pop("save", "")
    if file:
        from amonsup.cli import log_saving

        log_saving.check(wanted)
    query = msgspec.convert(wanted | {"is_labelled": output.is_json}, Query)
    source = _source(verb, query, site, timeout_s)
    gc.enable()
    progress = Searching(output, time.monotonic)
    if file:
        return log_saving.save(file, query, source, progress, output)
    services, items = source(query)
    lines = log_lines.lines_for(
        services,
        is_json=output.is_json,
        is_terminal=output.is_terminal,
        is_coloured=output.is_coloured,
        separates=bool(query.context or query.before_context or query.after_context),
        names_files=any(c in query.file for c in "*?["),
    )
    try:
        return show(items, lines, progress, output)
    finally:
        progress.clear()


def _source(verb: Verb, query: Query, site: Site, timeout_s: float) -> log_source.Source:
    """The files, where this user can read them; otherwise the daemon."""
    listener = log_source.own_output()
    if site.log_dir and not query.file and os.access(site.log_dir, os.R_OK | os.X_OK):
        services = _services(list(query.services), site, timeout_s)
        logs = [log_name(service, is_stderr=is_stderr) for service in services for is_stderr in (False, True)]
        if all(may_read(site.log_dir, log) for log in logs):

            def read(query: Query) -> tuple[list[str], Iterable[Item]]:
                meant = msgspec.structs.replace(query, services=tuple(services))
                return services, log_source.from_files(site.log_dir, meant, listener)

            return read
    ask = log_source.asking(verb, site.socket, timeout_s)
    return lambda query: log_source.from_daemon(query, ask, site.socket, listener)


def show(items: Iterable[Item], lines: log_lines.Lines, progress: Searching, output: Output) -> int:
    """Written in bulk while there is much, at once while there is little."""
    waiting: list[bytes] = []
    amount = 0
    for item in items:
        if isinstance(item, Piece):
            waiting.append(lines.render(item))
            amount += len(waiting[-1])
            if amount < FLUSH_AT:
                continue
        elif isinstance(item, Note):
            progress.clear()
            output.remark(item.text)
            continue
        elif isinstance(item, Scanned):
            progress.look(item)
        elif isinstance(item, Idle):
            progress.end()
        if waiting:
            progress.end()
            output.raw(b"".join(waiting))
            waiting.clear()
            amount = 0
            if not output.is_open:
                return DONE
    progress.end()
    output.raw(b"".join(waiting) + lines.last())
    return DONE


class Searching:
    """One line on stderr while nothing is found; gone before the first line is shown."""

    def __init__(self, output: Output, clock: Callable[[], float]) -> None:
        self._stream = output.progress_stream
        self._clock = clock
        self._next = clock() + PATIENCE_S
        self._is_shown = False

    def look(self, scanned: Scanned) -> None:
        if self._stream is None or self._clock() < self._next:
            return
        self._next = self._clock() + PATIENCE_S / 4
        share = f"{100 * scanned.done // scanned.total} %" if scanned.total else ""
        self._write(f"\rsearched {share} ({size(scanned.done)} of {size(scanned.total)})\x1b[K")
        self._is_shown = True

    def clear(self) -> None:
        if self._is_shown:
            self._is_shown = False
            self._write("\r\x1b[K")

    def end(self) -> None:
        """There is something to be seen: no more of this."""
        self.clear()
        self._stream = None

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, UnicodeError):
            self._stream = None


def _services(words: list[str], site: Site, timeout_s: float) -> list[str]:
    """Names of services. The daemon is asked only if it must be; without one the directory knows names."""
    there = logs_of(site.log_dir)
    if all(word in there for word in words):
        return list(dict.fromkeys(words))
    try:
        return log_source.names_by_daemon(words, site.socket, timeout_s or ASK_TIMEOUT_S)
    except CommandError as error:
        if error.status != NO_DAEMON or not there:
            raise
        return _known(words, there, error)


def _known(words: list[str], there: list[str], nobody: CommandError) -> list[str]:
    found: list[str] = []
    for word in words:
        if word.startswith("@"):
            raise nobody  # only the daemon knows tags
        if word != "all" and word not in there:
            near = nearest(word, there)
            hint = f"; did you mean '{near}'?" if near else f"; known: {', '.join(there[:20])}"
            raise CommandError("unknown-service", f"there is no log of '{word}'{hint}", WRONG_USE)
        found += there if word == "all" else [word]
    return list(dict.fromkeys(found))
