"""Health: what becomes of a running service's checks.

A service with a healthcheck is `starting` when it comes up, and then what its checks say: one success makes it
healthy, `retries` failures in a row make it unhealthy. Failures within start_period do not count as long as it never
was healthy. Only what runs has health; leaving RUNNING ends it (Turn.end_health), and the result of a check that was
under way then belongs to nobody.

The deadline `health` is when the next check is due, counted from the end of the last, so there are never two. Checks
of many services are spread by a hash of the name: there is no moment when all are due.
"""

from __future__ import annotations

import zlib

from amonsup.config.specs import Healthcheck
from amonsup.supervisor.core import descent
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import Errand, ServiceState, errand_in

SOON_S = 1.0
"""The pause between checks in the start period, if interval is not shorter: somebody may be waiting for it."""

SPREAD = 0.1
"""Each pause is up to this share shorter than interval."""

VERDICT = 400
"""Characters kept of what a check said."""


def begin(turn: Turn, state: ServiceState) -> None:
    """It has come up."""
    check = turn.spec(state).healthcheck
    if check is None or state.phase is not Phase.RUNNING:
        return
    state.health = "starting"
    state.failures = 0
    state.checked = 0.0
    state.verdict = ""
    turn.set_deadline(state, "health", min(check.interval_s, SOON_S) * _share(state.name))


def respecified(turn: Turn, state: ServiceState) -> None:
    """The check may have come, changed or gone; a changed one is used from the next time on."""
    check = turn.spec(state).healthcheck
    if check is None and state.health:
        turn.end_health(state)
    elif check is not None and not state.health:
        begin(turn, state)


def due(turn: Turn, state: ServiceState) -> None:
    """Time for a check; one that is still on its way out puts it off."""
    if state.phase is not Phase.RUNNING or not state.health:
        return
    if errand_in(state, "check") is None:
        turn.run_errand(state, "check")
    else:
        turn.set_deadline(state, "health", SOON_S)


def checked(turn: Turn, state: ServiceState, errand: Errand, event: ev.ErrandEnded, why: str) -> None:
    """A check is over; `why`: of its failure."""
    check = turn.spec(state).healthcheck
    if state.phase is not Phase.RUNNING or not state.health or check is None or errand.generation != state.generation:
        return
    if event.is_void:  # nothing was found out, and that is no fault of the service
        turn.set_deadline(state, "health", min(check.interval_s, SOON_S))
        return
    state.checked = turn.now
    said = f": {event.output}" if why and event.output else event.output
    state.verdict = f"{why}{said}"[:VERDICT]
    if why:
        _failed(turn, state, check)
    else:
        _succeeded(turn, state)
    if state.health:
        turn.set_deadline(state, "health", _pause_s(turn, state, check))


def _succeeded(turn: Turn, state: ServiceState) -> None:
    state.failures = 0
    if state.health != "healthy":
        state.health = "healthy"
        turn.note(state, "healthy", state.verdict)


def _failed(turn: Turn, state: ServiceState, check: Healthcheck) -> None:
    if _is_forgiven(turn, state, check):
        return
    state.failures += 1
    if state.failures == 1 and check.retries > 1:
        turn.note(state, "check-failed", state.verdict)
    if state.failures < check.retries:
        return
    if state.health != "unhealthy":
        state.health = "unhealthy"
        turn.note(state, "unhealthy", state.verdict)
    if check.on_failure == "restart" and state.hold is None:
        descent.fail_life(turn, state, f"unhealthy: {state.verdict}")


def _is_forgiven(turn: Turn, state: ServiceState, check: Healthcheck) -> bool:
    return state.health == "starting" and turn.now - state.since < check.start_period_s


def _pause_s(turn: Turn, state: ServiceState, check: Healthcheck) -> float:
    if _is_forgiven(turn, state, check):
        return min(check.interval_s, SOON_S)
    return check.interval_s * (1 - SPREAD * _share(f"{state.name}/{state.serial}"))


def _share(text: str) -> float:
    """0 … 1, always the same for the same text: a recorded history replays to the same times."""
    return zlib.crc32(text.encode()) / 0xFFFFFFFF
