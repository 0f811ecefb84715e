"""Leaving: the end of a supervisor, for good after a shutdown, or for a successor of another version."""

from __future__ import annotations

import contextlib
import os

from amonsup import __version__
from amonsup.supervisor import helper_process
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.handlers.desk import Call, Refusal
from amonsup.supervisor.household import SHUTDOWN
from amonsup.supervisor.household import operation as household_operation
from amonsup.supervisor.model.records import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amonsup.supervisor.daemon import Supervisor

IN_ORDER = "making room"
"""The note of an upgrade under way: what was ordered until then was also done, as nobody knows of who was killed."""

DRAINS_S = 5.0
"""How long the logger gets for what services said last."""


class Leaving:
    """A shutdown: first the services, then, once the logger has everything, the logger, then we."""

    def __init__(self, daemon: Supervisor) -> None:
        self._daemon = daemon

    # -- for a successor --

    def upgrade(self, call: Call) -> None:
        """Try the installed version, then make room for it."""
        daemon = self._daemon

        def tried(code: int, raw: bytes) -> None:
            if code != 0:
                words = raw.decode("utf-8", "replace").strip().splitlines()
                detail = words[-1] if words else "see the daemon's stderr"
                refusal = Refusal("failed", f"the installed version does not load ({detail}); nothing changed")
                daemon.desk.reply(call, refusal)
                return
            operation = Operation(
                id=call.id, verb="upgrade", by=call.by, accepted=daemon.now(), targets=(), tasks={}, note=IN_ORDER
            )
            daemon.requests.accept(daemon.requests.take_open(call.id), operation)
            daemon.fleet.operations.add(operation)
            daemon.record.write()
            daemon.requests.recorded(operation)
            version = raw.decode("utf-8", "replace").strip()
            daemon.tidings.say("upgrading", f"from {__version__} to {version} ({call.by})")
            self._make_room()

        # It also reads what it would have to go on from: a version that cannot must not get the services.
        options = {
            "run_dir": daemon.site.run_dir,
            "state_dir": daemon.site.state_dir,
            "site_speaks_xmpp": daemon.configuration.loaded.site.xmpp is not None,
        }
        helper_process.run(daemon.loop, daemon.watch, "probe", options, tried)

    def _make_room(self) -> None:
        """Our processes follow one by one: those with a link end with it, the guardian and our successor are new."""
        daemon = self._daemon
        for link in ("link:logger", "link:control", "link:prober"):
            daemon.store.drop(link)
        daemon.store.announce_upgrade()
        daemon.loop.call_soon(daemon.loop.stop)

    # -- for good --

    def fleet_down(self, fleet: Fleet) -> None:
        """Nothing of the fleet is left."""
        if fleet is self._daemon.fleet:
            self._daemon.loop.call_soon(self._drain_logger)
        else:
            self._leave()

    def _drain_logger(self) -> None:
        daemon = self._daemon
        deadline = daemon.now() + DRAINS_S

        def look() -> None:
            own = daemon.household
            if own.is_shutting_down:
                return  # drained before the deadline
            if daemon.outputs.is_drained or daemon.now() >= deadline:
                down = household_operation("stop", list(own.states), daemon.now(), SHUTDOWN)
                daemon.engine.run(own, own.shut_down(down, daemon.now()))
                daemon.engine.pump()
            else:
                daemon.outputs.when_drained = look
                daemon.loop.call_at(deadline, look)

        look()

    def _leave(self) -> None:
        daemon = self._daemon
        daemon.tidings.say("daemon-stopped", "everything is stopped")
        daemon.requests.close()
        daemon.readers.close()
        daemon.attendants.close()
        daemon.lives.close()
        daemon.store.announce_down(0)
        for path in (daemon.journal_path, daemon.site.socket):
            with contextlib.suppress(OSError):
                os.unlink(path)
        daemon.loop.call_soon(daemon.loop.stop)
