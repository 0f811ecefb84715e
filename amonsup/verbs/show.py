"""show: everything about one service, and why it is as it is."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Cell, Page, Tone, duration, line, size, state
from amonsup.verbs.results import ExitRow, HealthRow, ShowResult, StatusRow
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    service: Annotated[str, describe("its name; also supervisor, guardian, logger", metavar="SERVICE")]


def _exit(row: ExitRow) -> str:
    parts = [f"{row.at}  life {row.generation}: {row.reason}"]
    if row.uptime_s:
        parts.append(f"after {duration(row.uptime_s)}" + (f" (began {row.began})" if row.began else ""))
    if row.max_rss_bytes:
        parts.append(f"cpu {row.cpu_s:.2f}s, at most {size(row.max_rss_bytes)}")
    if row.by and f"by {row.by}" not in row.reason:
        parts.append(f"by {row.by}")
    if row.strays:
        parts.append(f"left behind and killed: {', '.join(row.strays)}")
    return ", ".join(parts)


def _usage(row: StatusRow) -> str:
    if row.memory_bytes is None:
        return ""
    parts = [f"cpu {row.cpu_percent or 0:.0f}%", f"memory {size(row.memory_bytes)}"]
    if row.tasks is not None:
        parts.append(f"{row.tasks} task{'' if row.tasks == 1 else 's'}")
    if row.open_files is not None:
        parts.append(f"{row.open_files} open files")
    if row.io_read_bytes is not None:
        parts.append(f"read {size(row.io_read_bytes)}, written {size(row.io_write_bytes)}")
    return ", ".join(parts)


def _health(row: HealthRow) -> str:
    text = row.state + (f", {row.failures} failed in a row" if row.failures else "")
    text += f"; last check {row.at}: {row.output or 'ok'}" if row.at else "; not checked yet"
    return text + (f"; next in {duration(row.next_s)}" if row.next_s is not None else "") + f" ({row.check})"


_SECONDS = frozenset(
    {"every", "initial", "interval", "max", "min_uptime", "reset_after", "start_period", "start_timeout", "step"}
    | {"stop_grace_period", "timeout", "watchdog", "within"}
)
_BYTES = frozenset({"max_size", "max_total", "mem_limit"})
_NAMED = frozenset({"environment", "secrets", "sockets"})
"""Pairs of a name and a value."""


def _value(key: str, value: Any) -> str:
    written = _as_written(key, value)
    return written if isinstance(written, str) else msgspec.json.encode(written).decode()


def _as_written(key: str, value: Any) -> Any:
    """A value of a spec as conf.d would have it: with its unit, by its name."""
    if key in _NAMED:
        return dict(value)
    if key == "ulimits":
        return {name: _limit(soft, hard) for name, soft, hard in value}
    if isinstance(value, dict):
        return {name: _as_written(name, each) for name, each in value.items()}
    if isinstance(value, list):
        return [_as_written("", each) for each in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if key in _SECONDS:
        return f"{value:g}s"
    if key in _BYTES:
        shift, unit = next((s, u) for s, u in ((30, "GiB"), (20, "MiB"), (10, "KiB"), (0, "B")) if not value % (1 << s))
        return f"{int(value) >> shift}{unit}"
    return value


def _limit(soft: int, hard: int) -> Any:
    soft_word, hard_word = ("unlimited" if each < 0 else each for each in (soft, hard))
    return soft_word if soft == hard else {"soft": soft_word, "hard": hard_word}


def page(result: ShowResult) -> Page:
    row = result.row
    blocks: Page = [line(Cell(row.name, Tone.STRONG), "  ", state(row.state), f"  {row.description}")]

    def field(name: str, text: str) -> None:
        if text:
            blocks.append(line(Cell(f"  {name:<11} ", Tone.FAINT), text))

    field("why", row.why)
    field("status", row.status)
    field("wanted", row.desired)
    field("since", row.since or "")
    if row.pid:
        life = f", life {row.generation}" if row.generation else ""
        field("process", f"pid {row.pid}{life}, up {duration(row.uptime_s)}")
    field("usage", _usage(row))
    field("restarts", str(row.restarts))
    if row.retry_s is not None:
        field("next start", f"in {duration(row.retry_s)}")
    if row.muted_until:
        by = f" (by {row.muted_by})" if row.muted_by else ""
        field("muted", f"no alerts until {row.muted_until}{by}" + (f": {row.muted_why}" if row.muted_why else ""))
    if row.held_until:
        field("held", f"by {row.held_by} until {row.held_until}" + (f": {row.held_why}" if row.held_why else ""))
    field("next run", row.next_run or "")
    if row.skipped or row.missed:
        field("runs", f"{row.skipped} skipped, {row.missed} missed")
    field("at boot", result.at_boot)
    field("waits for", ", ".join(row.waiting_for))
    field("blocked by", ", ".join(result.blocked_by))
    field("queued", ", ".join(result.queue))
    if result.health is not None:
        field("health", _health(result.health))
    field("needs", ", ".join(result.depends_on))
    field("needed by", ", ".join(result.dependants))
    field("scope", result.scope)
    field("log", result.log)
    for name, text in result.facts.items():
        field(name, text)
    _section(blocks, "spec in force", [f"{key}: {_value(key, value)}" for key, value in result.spec.items()])
    _section(blocks, "last exits", [_exit(row) for row in reversed(result.exits)])
    _section(blocks, "last lines before the last exit", list(result.exit_lines))
    _section(blocks, "last lines", list(result.last_lines))
    return blocks


def _section(blocks: Page, title: str, lines: list[str]) -> None:
    if lines:
        blocks.append(line(Cell(title, Tone.STRONG)))
        blocks.extend(line(f"  {text}") for text in lines)


VERB = Verb(
    name="show",
    role=Role.VIEWER,
    kind=Kind.READ,
    summary="Everything about one service: spec in force, why it is as it is, last exits, last lines.",
    arguments=Arguments,
    answer=ShowResult,
    page=page,
)
