"""The configuration that is in force: read, parsed anew by a child of ours, replaced whole."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from amonsup.config.instances import Scaled, expand
from amonsup.config.specs import Loaded, ServiceSpec, SiteSpec
from amonsup.supervisor import helper_process, household
from amonsup.supervisor.adapters import applied as applied_files
from amonsup.supervisor.control_link import CONTROL, control_spec
from amonsup.supervisor.handlers.desk import Call, Refusal
from amonsup.supervisor.household import PROBER
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.records import Operation
from amonsup.supervisor.tidings import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amonsup.supervisor.daemon import Supervisor


class Configuration:
    """`applied` is the record in state_dir; what the fleets were made of."""

    def __init__(self, daemon: Supervisor, applied: applied_files.Applied) -> None:
        self.applied = applied
        self._daemon = daemon
        self._applies: deque[Callable[[], None]] = deque()

    @property
    def loaded(self) -> Loaded:
        return self.applied.loaded

    def household_specs(self) -> tuple[ServiceSpec, ...]:
        site, own_site = self.loaded.site, self._daemon.site
        found = [household.logger_spec(own_site)]
        if site.xmpp is not None:
            found.append(control_spec(site))
        if household.needs_prober(self.loaded.fleet.services):
            found.append(household.prober_spec(own_site))
        return tuple(found)

    def load(self, then: Callable[[Loaded | str], None]) -> None:
        """Parse conf.d in a process of its own, one at a time; `then` gets it, or all errors as text."""
        daemon = self._daemon

        def begin() -> None:
            options = {"arguments": [daemon.site.config_file], "run_dir": daemon.site.run_dir}
            helper_process.run(daemon.loop, daemon.watch, "config", options, ended)

        def ended(code: int, raw: bytes) -> None:
            self._applies.popleft()
            try:
                then(_loaded_or_errors(code, raw))
            finally:
                if self._applies:
                    self._applies[0]()

        self._applies.append(begin)
        if len(self._applies) == 1:
            begin()

    def commit(
        self, call: Call, loaded: Loaded, scaled: dict[str, Scaled], operation: Operation, renewed: list[str]
    ) -> None:
        """Record a new configuration and the operation, then carry it out. `renewed`: changed in place."""
        daemon = self._daemon
        services = expand(loaded.fleet.services, scaled)
        new = {spec.name for spec in services}
        record = applied_files.Applied(
            format=applied_files.FORMAT,
            serial=self.applied.serial + 1,
            at=time.time(),
            loaded=loaded,
            instance=daemon.instance,
            operation=operation,
            leaving=tuple(daemon.fleet.specs[name] for name in daemon.fleet.states if name not in new),
            scaled=scaled,
        )
        try:
            applied_files.write(daemon.site.state_dir, daemon.site.run_dir, record)
        except OSError as error:
            where = error.filename or daemon.site.state_dir
            text = f"cannot record the new configuration: {error.strerror}: {where}; nothing was changed"
            daemon.requests.reply(call, Refusal("failed", text))
            return
        daemon.requests.accept(daemon.requests.take_open(call.id), operation)
        site_before = self.loaded.site
        self.applied = record
        daemon.record.serial = record.serial
        known, before = set(daemon.fleet.states), daemon.fleet.specs
        daemon.fleet.respecify(services)
        daemon.lives.respecified(before, daemon.fleet.specs)
        daemon.settle_in(name for name in daemon.fleet.specs if name not in known)
        daemon.wishes.keep_only(new)
        daemon.attendants.configured(before)
        daemon.matches.configured(before)
        daemon.engine.post_later(ev.Respecified(name=name) for name in renewed)
        for name in renewed:
            daemon.logger.changed(name)
        self._renew_control(site_before, loaded.site)
        self.renew_prober()
        daemon.carry_out(operation)

    def _renew_control(self, before: SiteSpec, now: SiteSpec) -> None:
        """What control is born with may have changed; the logger's cannot (handlers/apply.py)."""
        if (before.xmpp, before.site, before.tags) == (now.xmpp, now.site, now.tags):
            self._daemon.control.renew_secrets()
            return
        self._daemon.household.respecify(self.household_specs())
        self._daemon.command_household("stop" if now.xmpp is None else "restart", [CONTROL], forget=now.xmpp is None)

    def renew_prober(self) -> None:
        """It is there only while a check needs it."""
        own = self._daemon.household
        is_needed = household.needs_prober(self.loaded.fleet.services)
        prober = own.states.get(PROBER)
        is_there = prober is not None and not any(task.forget for task in prober.queue)  # on its way out is not there
        if is_needed == is_there or own.is_shutting_down:
            return
        own.respecify(self.household_specs())
        self._daemon.command_household("start" if is_needed else "stop", [PROBER], forget=not is_needed)


def read(options: dict[str, Any]) -> applied_files.Applied:
    """What was applied last; what cannot be read is set aside. SystemExit if there is nothing at all."""
    applied, set_aside = applied_files.read(options["state_dir"], options["run_dir"])
    if set_aside:
        complain(f"the applied configuration could not be read; it was set aside as {set_aside}")
    if applied is None:
        raise SystemExit(f"no applied configuration in {options['state_dir']} and {options['run_dir']}")
    if set_aside:
        applied_files.write(options["state_dir"], options["run_dir"], applied)
    return applied


def _loaded_or_errors(code: int, raw: bytes) -> Loaded | str:
    from amonsup.config.helper import Answer

    try:
        answer = msgspec.json.decode(raw, type=Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return f"the configuration could not be read: the parser ended with {code}"
    if answer.loaded is not None:
        applied_files.share(answer.loaded.fleet.services)
        return answer.loaded
    return "\n".join(error.render() for error in answer.errors)
