"""The generated parts of docs/: `make docs` writes them anew, `--check` only tells whether they are up to date.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->` in a file of this directory. PARTS names the
function that makes each. Nothing here may depend on the machine, the time or the order of a set.
"""

from __future__ import annotations

import ast
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import msgspec

from amonsup import verbs
from amonsup.cli.manual import usage
from amonsup.config import not_yet, watch_rules
from amonsup.config.keys import Table
from amonsup.config.service_keys import BACKOFF, HEALTHCHECK, LOGGING, SERVICE, START_LIMIT
from amonsup.config.site_keys import ACCESS, SITE
from amonsup.config.specs import Condition, Dependency, RestartPolicy, ServiceSpec, ServiceType, StartLimit
from amonsup.supervisor.core import commands, table
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import LIVE, PUBLIC, Phase
from amonsup.supervisor.model.records import ExitReport, Operation, ServiceState, Task
from amonsup.verbs import results
from amonsup.wire.messages import REFUSALS

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / "amonsup"
PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

WALKS, STEPS, SEED = 1500, 40, 2006


# ---- the engine --------------------------------------------------------------------------------------------------


def transitions() -> str:
    """A state diagram of every move that is seen when the engine is driven at random, from a fixed seed."""
    moves = _moves()
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> stopped"]
    for before in Phase:
        for after in Phase:
            if (before, after) in moves:
                labels = ", ".join(sorted(moves[before, after]))
                lines.append(f"    {before.value} --> {after.value}: {labels}")
    return "\n".join([*lines, "```"])


def _moves() -> dict[tuple[Phase, Phase], set[str]]:
    """(from, to) -> the kinds of events that caused it. Turn.enter is the one place where a phase changes."""
    moves: dict[tuple[Phase, Phase], set[str]] = {}
    cause = [""]
    enter = Turn.enter

    def recording(turn: Turn, state: ServiceState, phase: Phase, why: str = "") -> None:
        if state.phase is not phase:
            moves.setdefault((state.phase, phase), set()).add(cause[0])
        enter(turn, state, phase, why)

    def rule_named(rule: Callable[..., None]) -> Callable[..., None]:
        def run(turn: Turn, state: ServiceState, event: ev.Event) -> None:
            cause[0] = type(event).__name__
            rule(turn, state, event)

        return run

    def begun(begin: Callable[..., None]) -> Callable[..., None]:
        def run(turn: Turn, state: ServiceState, task: Task) -> None:
            cause[0] = ev.Commanded.__name__  # a queued command counts as one, whatever event let it begin
            begin(turn, state, task)

        return run

    with (
        mock.patch.object(Turn, "enter", recording),
        mock.patch.dict(table.TABLE, {key: rule_named(rule) for key, rule in table.TABLE.items()}),
        mock.patch.dict(commands._BEGIN, {verb: begun(begin) for verb, begin in commands._BEGIN.items()}),
    ):
        for walk in range(WALKS):
            _walk(random.Random(SEED + walk))
    return moves


def _walk(dice: random.Random) -> None:
    """Two services, one above the other, and what may happen to them."""
    fleet, now = Fleet(_specs(dice)), 100.0
    for step in range(STEPS):
        now += dice.choice((0.01, 0.1, 1.0, 30.0))
        state = fleet.states[dice.choice(("below", "above"))]
        chance = dice.random()
        if chance < 0.2:
            verb = dice.choice(("start", "start", "stop", "restart"))
            task = Task(operation=f"o{step}", verb=verb, by="me", kill=dice.random() < 0.1)
            fleet.command(_operation(verb, {state.name: task}), now)
        elif chance < 0.21:
            task = Task(operation=f"o{step}", verb="stop", by="me")
            fleet.shut_down(_operation("shutdown", dict.fromkeys(fleet.states, task)), now)
        elif chance < 0.23:
            fleet.is_watching_only = not fleet.is_watching_only
            fleet.reconsider_all(now)
        else:
            fleet.handle([_event(dice, state)], now)


def _operation(verb: str, tasks: dict[str, Task]) -> Operation:
    operation_id = next(iter(tasks.values())).operation
    return Operation(id=operation_id, verb=verb, by="me", accepted=0.0, targets=tuple(tasks), tasks=tasks)


def _specs(dice: random.Random) -> list[ServiceSpec]:
    kind = dice.choice((ServiceType.SIMPLE, ServiceType.NOTIFY, ServiceType.ONESHOT))
    below = ServiceSpec(
        name="below",
        command=("b",),
        type=kind,
        restart=dice.choice(list(RestartPolicy)),
        min_uptime_s=dice.choice((0.0, 1.0)),
        stop_grace_period_s=dice.choice((0.0, 10.0)),
        watchdog_s=5.0 if kind is ServiceType.NOTIFY and dice.random() < 0.5 else 0.0,
        start_limit=dice.choice((None, StartLimit(count=2, within_s=60.0))),
    )
    conditions = (Condition.STARTED, Condition.HEALTHY)
    condition = Condition.COMPLETED if kind is ServiceType.ONESHOT else dice.choice(conditions)
    above = ServiceSpec(
        name="above",
        command=("a",),
        type=dice.choice((ServiceType.SIMPLE, ServiceType.NOTIFY)),
        restart=dice.choice(list(RestartPolicy)),
        depends_on=(Dependency("below", condition, dice.random() < 0.5),),
        start_limit=dice.choice((None, StartLimit(count=2, within_s=60.0))),
    )
    return [below, above]


def _event(dice: random.Random, state: ServiceState) -> ev.AnyEvent:
    """Something that can happen to a service as it stands."""
    name, generation = state.name, state.generation
    possible: list[ev.AnyEvent] = []
    if state.timer_at:
        possible.append(ev.TimerFired(name=name, token=state.timer_token))
    if state.pid:
        code = dice.choice((0, 0, 1))
        report = ExitReport(generation=generation, reason=f"exit {code}", at=0.0, code=code)
        possible.append(ev.Exited(name=name, generation=generation, pid=state.pid, report=report))
        possible.append(ev.Noticed(name=name, generation=generation, is_ready=True))
        possible.append(ev.Noticed(name=name, generation=generation, has_failed=True))
    elif state.phase is Phase.CLEANING:
        possible.append(ev.Swept(name=name, generation=generation))
    elif state.phase in LIVE:
        born = ev.Spawned(name=name, generation=generation, pid=1000 + generation, start_ticks=1)
        possible += [born, born, born]
        possible.append(ev.SpawnFailed(name=name, generation=generation, reason="no", is_transient=dice.random() < 0.5))
        possible.append(ev.Unborn(name=name, generation=generation))
    possible.append(ev.Respecified(name=name))
    return dice.choice(possible)


def rules() -> str:
    """The table itself: which rule answers which event in which phase."""
    kinds = [kind.__name__ for kind in ev.KINDS]
    rows = [["phase", "public word", *kinds]]
    for phase in Phase:
        cells = [table.TABLE[phase, kind].__name__.removeprefix("on_") for kind in ev.KINDS]
        rows.append([phase.value, PUBLIC[phase].value, *("·" if cell == "ignore" else cell for cell in cells)])
    return _table(rows)


# ---- the vocabulary ----------------------------------------------------------------------------------------------


def service_keys() -> str:
    return _keys(SERVICE, not_yet.SERVICE)


def record_keys() -> str:
    parts: list[str] = []
    for title, record, prefix in (
        ("backoff", BACKOFF, ""),
        ("start_limit", START_LIMIT, ""),
        ("healthcheck", HEALTHCHECK, ""),
        ("logging", LOGGING, "logging."),
    ):
        parts += [f"`{title}`:", "", _keys(record.keys, not_yet.SERVICE, prefix), ""]
    return "\n".join(parts).rstrip()


def site_keys() -> str:
    entry = "An entry of `access` (exactly one of `user` and `group`):"
    return "\n".join([_keys(SITE, not_yet.SITE), "", entry, "", _keys(ACCESS.keys, {})])


def _keys(keys: Table, missing: dict[str, str], prefix: str = "") -> str:
    rows = [["key", "meaning", "default"]]
    for key in keys.values():
        if prefix + key.name not in missing:
            default = f"`{key.default}`" if key.default else ""
            rows.append([f"`{key.name}`", key.help, "required" if key.is_required else default])
    return _table(rows)


def missing_keys() -> str:
    rows = [["key", "why it is refused"]]
    for table_of in (not_yet.SERVICE, not_yet.SITE):
        rows += [[f"`{key.replace('=', ': ')}`", reason] for key, reason in table_of.items()]
    return _table(rows)


# ---- verbs and messages ------------------------------------------------------------------------------------------


def verb_table() -> str:
    rows = [["usage", "does", "role"]]
    for verb in verbs.load_all():
        words = usage(verb).replace("|", "\\|")
        rows.append([f"`{words}`", verb.summary, verb.role.name.lower()])
    return _table(rows)


def watch_sets() -> str:
    rows = [["set", "matches"]]
    for name, (pattern, is_block) in watch_rules.SETS.items():
        shown = pattern.replace("|", "\\|")
        rows.append([f"`{name}`", f"`{shown}`" + ("; told once, with the last line" if is_block else "")])
    return _table(rows)


def refusals() -> str:
    return _table([["code", "exit status"], *([f"`{code}`", str(status)] for code, status in REFUSALS.items())])


def fields() -> str:
    """The records that verbs answer with, field by field."""
    found = [
        kind
        for kind in vars(results).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == results.__name__
    ]
    blocks = []
    for kind in found:
        about = (kind.__doc__ or "").partition("\n")[0]
        listed = [f"`{f.encode_name}` {_type(f.type)}" for f in msgspec.structs.fields(kind)]
        blocks.append(f"- **{kind.__name__}**{': ' + about if about else ''}  \n  {', '.join(listed)}")
    return "\n".join(blocks)


def _type(kind: object) -> str:
    text = getattr(kind, "__name__", "") if isinstance(kind, type) else str(kind)
    if str(kind).startswith(("tuple[", "dict[")):
        text = str(kind)
    text = text.replace("amonsup.verbs.results.", "").replace("typing.", "").replace(", ...]", "]")
    return text.replace("tuple[", "list[").replace(" | None", " or null").replace("str", "text")


def _table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def files() -> str:
    """Every source file with the first line of what it says of itself."""
    lines = []
    for directory in sorted({path.parent for path in PACKAGE.rglob("*.py")}):
        named = [path for path in sorted(directory.iterdir()) if path.suffix in (".py", ".c")]
        about = _about(directory / "__init__.py")
        lines.append(f"- **{directory.relative_to(PACKAGE.parent)}/** {about}".rstrip())
        lines += [f"  - `{path.name}` {_about(path)}".rstrip() for path in named if path.name != "__init__.py"]
    return "\n".join(lines)


def _about(path: Path) -> str:
    text = path.read_text()
    if path.suffix == ".c":
        return "the C spawner"
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


PARTS: dict[str, Callable[[], str]] = {
    "files": files,
    "transitions": transitions,
    "rules": rules,
    "service-keys": service_keys,
    "record-keys": record_keys,
    "site-keys": site_keys,
    "not-yet": missing_keys,
    "verbs": verb_table,
    "watch-sets": watch_sets,
    "refusals": refusals,
    "fields": fields,
}


def renewed(text: str) -> str:
    """The text of a file with every generated part made anew."""
    return PART.sub(lambda match: f"{match[1]}{PARTS[match[2]]()}\n{match[3]}", text)


def outdated() -> list[str]:
    """Names of files whose generated parts are not what they would be now."""
    return [path.name for path in sorted(HERE.glob("*.md")) if (text := path.read_text()) != renewed(text)]


def main() -> int:
    names = outdated()
    if "--check" in sys.argv[1:]:
        sys.stdout.write("".join(f"{name} is out of date: make docs\n" for name in names))
        return 1 if names else 0
    for name in names:
        (HERE / name).write_text(renewed((HERE / name).read_text()))
        sys.stdout.write(f"{name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
