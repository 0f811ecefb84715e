"""The front desk: what handlers may see of the daemon, and have it do (handlers/desk.py says what that is)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable

import msgspec

from amonsup import __version__
from amonsup.config.fingerprints import fingerprint, of_file
from amonsup.config.instances import Scaled
from amonsup.config.specs import Loaded, ServiceSpec
from amonsup.supervisor import helper_process
from amonsup.supervisor.adapters import spawn
from amonsup.supervisor.adapters.wishes import Autostart, Mute, Wish
from amonsup.supervisor.handlers.desk import Call, OwnProcess, Refusal, Reply
from amonsup.supervisor.model.events import AnyEvent
from amonsup.supervisor.model.records import Operation
from amonsup.supervisor.tidings import rfc3339
from amonsup.verbs.results import Happening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amonsup.supervisor.daemon import Supervisor


class FrontDesk:
    """handlers.desk.Desk, carried out."""

    def __init__(self, daemon: Supervisor) -> None:
        self._daemon = daemon
        self.site = daemon.site
        self.fleet = daemon.fleet
        self.household = daemon.household
        self.lives = daemon.lives
        self.own_uid = daemon.own_uid
        self.now = daemon.now

    def wall(self, at: float) -> str:
        return rfc3339(time.time() - (self.now() - at))

    def clock(self) -> float:
        return time.time()

    def post_all(self, events: Iterable[AnyEvent]) -> None:
        self._daemon.engine.post_all(events)

    # -- what people want --

    def wish(self, name: str) -> Wish:
        return self._daemon.wishes.of(name)

    def enable(self, name: str, autostart: Autostart) -> None:
        self._daemon.wishes.enable(name, autostart)
        self._daemon.note(name, "enabled" if autostart.is_enabled else "disabled", "", autostart.by)
        self._daemon.settle_accounts()

    def is_enabled(self, spec: ServiceSpec) -> bool:
        return self._daemon.is_enabled(spec)

    def mute(self, names: Iterable[str], mute: Mute | None, by: str) -> None:
        for name in names:
            self._daemon.wishes.mute(name, mute)
            if mute is None:
                self._daemon.note(name, "unmuted", "", by)
            else:
                why = f": {mute.why}" if mute.why else ""
                self._daemon.note(name, "muted", f"until {rfc3339(mute.until)}{why}", by)
        self._daemon.settle_accounts()

    # -- the configuration --

    def applied(self) -> Loaded:
        return self._daemon.configuration.loaded

    def load_configuration(self, then: Callable[[Loaded | str], None]) -> None:
        self._daemon.configuration.load(then)

    def scaled(self) -> dict[str, Scaled]:
        return self._daemon.configuration.applied.scaled

    def commit(
        self, call: Call, loaded: Loaded, scaled: dict[str, Scaled], operation: Operation, renewed: list[str]
    ) -> None:
        self._daemon.configuration.commit(call, loaded, scaled, operation, renewed)

    # -- what is --

    def is_our_own(self, pid: int) -> bool:
        return any(pid == state.pid for state in self.household.states.values())

    def own_files(self, name: str) -> dict[str, str]:
        return self._daemon.attendants.facts(name)

    def happenings(self) -> Iterable[Happening]:
        return self._daemon.tidings.happenings()

    def warnings(self) -> tuple[str, ...]:
        daemon = self._daemon
        found = []
        if fingerprint(self.site.conf_d) != self.applied().fingerprint:
            found.append("conf.d differs from what is applied: amonsup apply --dry-run shows how")
        known = self.applied().site_fingerprint
        if known and of_file(self.site.config_file) != known:
            found.append("amonsup.yaml differs from what is applied: amonsup apply --dry-run shows how")
        if self.fleet.is_watching_only:
            found.append("the supervisor died repeatedly: it adopts and watches only, for half a minute")
        if self.fleet.is_shutting_down:
            found.append("amonsupd is shutting down")
        found += [error for error in (daemon.record.error, daemon.tidings.error, daemon.wishes.error) if error]
        found += self.lives.limits.warnings()
        found += [f"xmpp {name}: {text}" for name, text in daemon.control.sessions.items() if text]
        return (*found, *daemon.logger.warnings())

    def own_processes(self) -> dict[str, OwnProcess]:
        scope = {
            "cgroup": "a cgroup each",
            "marker": "an inherited limit as marker (no cgroup can be made here)",
        }
        store = self._daemon.store
        facts = {
            "version": __version__,
            "python": sys.version.split()[0],
            "spawner": spawn.KIND,
            "scopes": scope[self.lives.scopes.kind],
            "limits": self.lives.limits.versions,
            "descriptors": str(len(store.descriptors)) + " in the store",
            "run_dir": self.site.run_dir,
            "state_dir": self.site.state_dir,
        }
        guardian_pid = self._daemon.options["guardian"]
        words = "restarts the supervisor, keeps descriptors"
        return {
            "supervisor": OwnProcess("supervisor", os.getpid(), store.deaths, "owns the services", facts),
            "guardian": OwnProcess("guardian", guardian_pid, 0, words, {}),
        }

    # -- having things done --

    def run_helper(self, role: str, options: dict[str, object], then: Callable[[int, bytes], None]) -> None:
        complete = {**options, "state_dir": self.site.state_dir, "run_dir": self.site.run_dir}
        helper_process.run(self._daemon.loop, self._daemon.watch, role, complete, then)

    def ask_control(self, message: dict[str, object], then: Callable[[str], None]) -> None:
        self._daemon.control.ask(message, then)

    def command_logs(self, verb: str, name: str, then: Callable[[str], None]) -> None:
        self._daemon.logger.command(verb, name, then)

    def start_reader(
        self, query: msgspec.Struct, by: str, owner: ServiceSpec | None = None
    ) -> tuple[int, int] | Refusal:
        return self._daemon.readers.start(query, by, owner)

    def carry_out(self, operation: Operation) -> None:
        self._daemon.carry_out(operation)

    def upgrade(self, call: Call) -> None:
        self._daemon.leaving.upgrade(call)

    def follow(self, call: Call, services: tuple[str, ...]) -> None:
        self._daemon.requests.follow(call, services)

    def reply(self, call: Call, reply: Reply) -> None:
        if call.by.startswith("SIG") and isinstance(reply, Refusal):
            self._daemon.tidings.say("refused", f"{call.by}: {reply.text}")
        self._daemon.requests.reply(call, reply)
