"""When to connect again, and to which of several endpoints: full jitter, reset only by a session that lasted.

A connection that is lost is tried again after a random time between 0 and the present ceiling, which doubles with
every failure up to CEILING_S. Only a session that was up for STEADY_S starts the count again: a server that accepts
everybody and throws them out must not be hammered. Two failures are not a matter of patience: a wrong password is
retried seldom (ejabberd bans an address after twenty), and so is a session that somebody else's login ended, because
two agents with one account would throw each other out for ever.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

FIRST_S = 2.0
CEILING_S = 300.0
STEADY_S = 60.0
SELDOM_S = 300.0
SPLAY_S = 30.0


class Loss(enum.Enum):
    """Why there is no session."""

    NETWORK = "network"
    REFUSED = "refused"  # a login that failed
    CONFLICT = "conflict"  # somebody else logged in as us
    RESTART = "restart"  # the server says that it goes down (stream error system-shutdown)
    INSECURE = "insecure"  # no TLS, or not to be believed


@dataclass
class Reconnect:
    """One session's patience. `random` gives 0 … 1, `splay` is the site's own share of it, always the same."""

    random: Callable[[], float]
    splay: float = 0.0
    failures: int = 0
    endpoint: int = 0
    _up_since: float | None = None

    def came_up(self, now: float) -> None:
        """A session is established at monotonic `now`."""
        self._up_since = now

    def lost(self, loss: Loss, now: float) -> float:
        """It is gone, or never came: seconds until the next attempt."""
        was_up = self._up_since is not None
        if self._up_since is not None and now - self._up_since >= STEADY_S:
            self.failures = 0
        self._up_since = None
        if not was_up:
            self.endpoint += 1  # the next in turn; the same one again if it had worked
        if loss in (Loss.REFUSED, Loss.CONFLICT, Loss.INSECURE):
            self.failures += 1
            return SELDOM_S * (1 + 0.2 * self.random())
        ceiling = min(CEILING_S, FIRST_S * 2 ** min(self.failures, 30))
        self.failures += 1
        delay: float = ceiling * self.random()
        return delay + SPLAY_S * self.splay if loss is Loss.RESTART else delay
