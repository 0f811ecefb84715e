"""What handlers work with: the supervisor as they may see it, and who is calling.

A handler returns the answer (a record of verbs.results), a Refusal, an Operation to be accepted and carried out, or
LATER if it will answer through the desk when it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

from amonsup.config.instances import Scaled, counts
from amonsup.config.own_processes import NAMES, no_service, not_here
from amonsup.config.specs import Loaded, Role, ServiceSpec, SiteSpec
from amonsup.supervisor.adapters.wishes import Autostart, Mute, Wish
from amonsup.supervisor.core import holds
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.lives import Lives
from amonsup.supervisor.model.events import AnyEvent
from amonsup.supervisor.model.records import Operation, Task
from amonsup.verbs.results import Happening, OperationResult, TargetOutcome


class Refusal(msgspec.Struct, frozen=True):
    """Nothing was done. `code` is one of wire.messages.REFUSALS."""

    code: str
    text: str


class Later(msgspec.Struct, frozen=True):
    """The handler answers through `Desk.reply` when it can."""


LATER = Later()


class Call(msgspec.Struct, frozen=True):
    """One request. `by` names the caller in records: `alice (uid 1000)`."""

    id: str
    verb: str
    role: Role
    by: str
    args: Any
    refused: tuple[str, ...] = ()  # services that were meant too, and that this caller may not do it to
    is_remote: bool = False


class OwnProcess(msgspec.Struct, frozen=True):
    """One of our own processes that is no service. `facts` are for show."""

    name: str
    pid: int
    restarts: int
    description: str
    facts: dict[str, str]


class Handover(msgspec.Struct, frozen=True):
    """An answer with a descriptor, which belongs to whoever gets this."""

    answer: msgspec.Struct
    fd: int


Reply = msgspec.Struct | Refusal | Operation


class Desk(Protocol):
    """The supervisor, seen from a handler."""

    site: SiteSpec
    fleet: Fleet
    household: Fleet
    lives: Lives
    own_uid: int

    def now(self) -> float: ...

    def wall(self, at: float) -> str:
        """A monotonic time of this boot as RFC 3339."""

    def clock(self) -> float:
        """The wall clock, Unix seconds."""

    def post_all(self, events: Iterable[AnyEvent]) -> None:
        """Something happened: handled, on record and told when this returns."""

    def wish(self, name: str) -> Wish:
        """What people want of a service beyond its spec."""

    def enable(self, name: str, autostart: Autostart) -> None: ...

    def is_enabled(self, spec: ServiceSpec) -> bool:
        """Whether it starts by itself: conf.d's word, or what a person said since."""

    def applied(self) -> Loaded: ...

    def is_our_own(self, pid: int) -> bool:
        """Whether a process is one of ours that has no business on the public socket."""

    def own_files(self, name: str) -> dict[str, str]:
        """Of each file that the service writes by itself how it is rotated, or what is wrong with it."""

    def mute(self, names: Iterable[str], mute: Mute | None, by: str) -> None: ...

    def run_helper(self, role: str, options: dict[str, object], then: Callable[[int, bytes], None]) -> None:
        """Run boot.py in `role` (helper_process.py); it also gets state_dir."""

    def ask_control(self, message: dict[str, object], then: Callable[[str], None]) -> None:
        """Have control do something; `then` gets what went wrong, or nothing."""

    def warnings(self) -> tuple[str, ...]: ...

    def own_processes(self) -> dict[str, OwnProcess]:
        """Guardian and supervisor, which no fleet contains: nothing above them would look after them."""

    def happenings(self) -> Iterable[Happening]: ...

    def command_logs(self, verb: str, name: str, then: Callable[[str], None]) -> None:
        """rotate or reopen the logs of a service; `then` gets an empty text, or why that failed."""

    def follow(self, call: Call, services: tuple[str, ...]) -> None: ...

    def reply(self, call: Call, reply: Reply) -> None: ...

    def load_configuration(self, then: Callable[[Loaded | str], None]) -> None:
        """Parse conf.d in a process of its own; `then` gets it, or all errors as text."""

    def scaled(self) -> dict[str, Scaled]:
        """What `amonsup scale` said and conf.d has not overtaken."""

    def commit(
        self, call: Call, loaded: Loaded, scaled: dict[str, Scaled], operation: Operation, renewed: list[str]
    ) -> None:
        """Record a new configuration and the operation, then carry it out. `renewed`: changed in place."""

    def carry_out(self, operation: Operation) -> None:
        """Put an accepted operation on record, then begin it."""

    def upgrade(self, call: Call) -> None: ...

    def start_reader(
        self, query: msgspec.Struct, by: str, owner: ServiceSpec | None = None
    ) -> tuple[int, int] | Refusal:
        """A process that reads logs: its pid, and the end through which it speaks, which is the caller's.
        `owner`: as this service's user, files of its own."""


def select(desk: Desk, words: Iterable[str], *, own: bool = False) -> list[str] | Refusal:
    """Service names out of names, `all` and `@TAG`, in configuration order, each once.

    What has instances stands for all of them.
    """
    specs = desk.fleet.specs
    chosen: set[str] = set()
    for word in words:
        found = _matching(specs, word)
        if not found and own and (word in desk.household.specs or word in desk.own_processes()):
            found = [word]
        if not found and not (word == "all" and not specs) and word not in templates(desk):
            if word in NAMES:
                says = not_here(word) if own else no_service(word)
                return Refusal("unknown-service", says)
            return Refusal("unknown-service", _unknown(specs, word))
        chosen.update(found)
    ordered = [name for name in specs if name in chosen]
    return ordered + sorted(chosen - set(ordered))


def _matching(specs: dict[str, ServiceSpec], word: str) -> list[str]:
    if word == "all":
        return list(specs)
    if word.startswith("@"):
        return [name for name, spec in specs.items() if word[1:] in spec.tags]
    if word in specs:
        return [word]
    return [name for name, spec in specs.items() if spec.instance_of == word != ""]


def templates(desk: Desk) -> dict[str, int]:
    """The services that have instances, and how many."""
    return counts(desk.applied().fleet.services, desk.scaled())


def _unknown(specs: dict[str, ServiceSpec], word: str) -> str:
    import difflib  # rarely needed, and not small

    shown = "".join(c if c.isprintable() else "?" for c in word[:80])
    if word.startswith("@"):
        tags = sorted({tag for spec in specs.values() for tag in spec.tags})
        return f"no service has the tag {shown[1:]!r}; tags: {', '.join(tags[:20]) or 'none'}"
    near = difflib.get_close_matches(word[:80], list(specs), 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(list(specs)[:20]) or 'none'}"
    return f"there is no service {shown!r}{hint}"


MAX_QUEUED = 32
"""Commands that may wait at one service."""


def operation(
    desk: Desk, call: Call, names: list[str], *, verb: str = "", kill: bool = False, force: bool = False
) -> Operation | Refusal:
    """An operation that gives every named service one task; refused where too many wait already.

    If every one of them is held that is a refusal; of some, the engine refuses these and the rest is done.
    """
    for name in names:
        if len(desk.fleet.states[name].queue) >= MAX_QUEUED:
            return Refusal("busy", f"{name}: {MAX_QUEUED} commands are waiting for it already")
    verb = verb or call.verb
    task = Task(operation=call.id, verb=verb, by=call.by, kill=kill, force=force)
    if names and call.verb != "shutdown":
        refusals = [holds.refusal(desk.fleet.states[name], task) for name in names]
        if all(refusals):
            return Refusal("held", "\n".join(f"{n}: {r}" for n, r in zip(names, refusals, strict=True)))
    return Operation(
        id=call.id,
        verb=call.verb,
        by=call.by,
        accepted=desk.now(),
        targets=tuple(names),
        tasks=dict.fromkeys(names, task),
        refused=call.refused,
    )


def enabling(desk: Desk, call: Call, *, is_enabled: bool) -> OperationResult | Refusal:
    """enable and disable: a word for the next boot."""
    names = select(desk, call.args.services)
    if isinstance(names, Refusal):
        return names
    refusal = mutating(desk)
    if refusal is not None:
        return refusal
    for name in names:
        desk.enable(name, Autostart(is_enabled, call.by, desk.clock()))
    word = "starts by itself from the next boot on; not started now"
    if not is_enabled:
        word = "does not start by itself any more; not stopped now"
    return OperationResult(call.id, call.verb, True, tuple(TargetOutcome(name, True, word) for name in names))


def mutating(desk: Desk) -> Refusal | None:
    """Why no command is taken just now, if so."""
    if desk.fleet.is_shutting_down:
        return Refusal("shutting-down", "amonsupd is shutting down")
    if desk.fleet.is_watching_only:
        return Refusal(
            "watching-only",
            "the supervisor died repeatedly and only watches for half a minute; see `amonsup events`",
        )
    return None
