"""Where a service stands, where it is wanted, and the public word for it.

Internal phases are finer than the states users see, because the engine must know *why* a service is on its way
down. `public` maps them to the public words; nothing else
translates.
"""

from __future__ import annotations

import enum


class Phase(enum.Enum):
    """Actual. Exactly one at a time; what may follow what is in `core/table.py`."""

    __hash__ = object.__hash__  # each member is one object; Enum's own hash is a Python function, called in every turn

    STOPPED = "stopped"  # nothing lives, nothing is wanted
    WAITING = "waiting"  # wanted, a dependency is missing
    BACKOFF = "backoff"  # wanted, the next start is due at a time
    STARTING = "starting"  # spawned (or about to be), not yet up
    RUNNING = "running"  # up
    DRAINING = "draining"  # going down, but dependants go first
    STOPPING = "stopping"  # told to stop, its main process still lives
    CLEANING = "cleaning"  # main process gone, the rest of the life is being swept
    EXITED = "exited"  # ended by itself, and stays so
    FATAL = "fatal"  # given up
    QUARANTINED = "quarantined"  # a rule threw: hands off until a person commands


class Desired(enum.Enum):
    """What is wanted, apart from what is."""

    UP = "up"
    DOWN = "down"


class Goal(enum.Enum):
    """What follows once a life that is going down has ended and is clean."""

    STAY = "stay"  # down, as commanded
    AGAIN = "again"  # a new life at once: restart
    WAIT = "wait"  # a new life when its dependencies are back
    RETRY = "retry"  # the restart policy decides
    GIVE_UP = "give up"  # no life came of it, and none will
    DONE = "done"  # a oneshot that succeeded, or an end that the policy accepts
    REMOVE = "remove"  # no longer configured: forget it


class State(enum.Enum):
    """The public words (interface.md, 'States')."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    EXITED = "exited"
    FATAL = "fatal"
    WAITING = "waiting"


PUBLIC: dict[Phase, State] = {
    Phase.STOPPED: State.STOPPED,
    Phase.WAITING: State.WAITING,
    Phase.BACKOFF: State.BACKOFF,
    Phase.STARTING: State.STARTING,
    Phase.RUNNING: State.RUNNING,
    Phase.DRAINING: State.STOPPING,
    Phase.STOPPING: State.STOPPING,
    Phase.CLEANING: State.STOPPING,
    Phase.EXITED: State.EXITED,
    Phase.FATAL: State.FATAL,
    Phase.QUARANTINED: State.FATAL,
}


def public(phase: Phase, health: str) -> State:
    """The public word; only what runs can be unhealthy."""
    return State.UNHEALTHY if phase is Phase.RUNNING and health == "unhealthy" else PUBLIC[phase]


LIVE = frozenset({Phase.STARTING, Phase.RUNNING, Phase.DRAINING, Phase.STOPPING, Phase.CLEANING})
"""Phases in which processes of the service may exist."""

GOING_DOWN = frozenset({Phase.DRAINING, Phase.STOPPING, Phase.CLEANING})

AT_REST = frozenset({Phase.STOPPED, Phase.EXITED, Phase.FATAL, Phase.QUARANTINED})
"""Phases that only a command (or an apply) leaves."""
