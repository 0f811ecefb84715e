"""apply: parse conf.d elsewhere, plan, record, then let the engine carry it out."""

from __future__ import annotations

from amonsup.config.instances import Scaled, counts, expand, in_force, problem
from amonsup.config.specs import Loaded, SiteSpec
from amonsup.supervisor.core.plan import plan, with_followers
from amonsup.supervisor.handlers import plans
from amonsup.supervisor.handlers.desk import LATER, Call, Desk, Later, Refusal, mutating
from amonsup.verbs.apply import Arguments
from amonsup.verbs.results import PlanLine, PlanResult

FIXED = ("run_dir", "state_dir", "log_dir", "socket", "log_user")
"""What a running daemon cannot change about itself."""

SITE_KEYS = ("site", "conf_d", "user", "tags", "access", "xmpp")
"""What it can."""


def handle(desk: Desk, call: Call) -> Later | Refusal:
    refusal = mutating(desk)
    if refusal is not None:
        return refusal
    desk.load_configuration(lambda outcome: _loaded(desk, call, outcome))
    return LATER


def _loaded(desk: Desk, call: Call, outcome: Loaded | str) -> None:
    if isinstance(outcome, str):
        desk.reply(call, Refusal("invalid", outcome))
        return
    changed = [key for key in FIXED if getattr(outcome.site, key) != getattr(desk.site, key)]
    if changed:
        text = f"{', '.join(changed)} in amonsup.yaml changed: that needs a full stop and start of amonsupd"
        desk.reply(call, Refusal("invalid", text))
        return
    scaled = in_force(outcome.fleet.services, desk.scaled())
    wrong = problem(outcome.fleet.services, scaled)
    if wrong:  # of conf.d alone the parser has seen to it
        text = f"{wrong}: because of amonsup scale {_scales(scaled)}; scale it back first; nothing was changed"
        desk.reply(call, Refusal("invalid", text))
        return
    new = {spec.name: spec for spec in expand(outcome.fleet.services, scaled)}
    changes = plan(desk.fleet.specs, new, desk.fleet.states, counts(outcome.fleet.services, scaled))
    shown = with_followers(changes, new, desk.fleet.states)
    site_changes = _site_changes(desk.applied().site, outcome.site)
    args: Arguments = call.args
    if args.dry_run:
        lines = tuple(PlanLine(change.name, change.action, change.why) for change in shown)
        desk.reply(call, PlanResult(lines, outcome.warnings, site_changes))
        return
    refusal = mutating(desk) or plans.held(desk, new)  # it took a moment to parse
    if refusal is not None:
        desk.reply(call, refusal)
        return
    operation = plans.operation(desk, call, changes, plans.summary(shown, site_changes))
    desk.commit(call, outcome, scaled, operation, plans.renewed(changes))


def _site_changes(old: SiteSpec, new: SiteSpec) -> tuple[str, ...]:
    """What an apply may change about the site and does: who may do what is worth being seen before it is so."""
    return tuple(key for key in SITE_KEYS if getattr(old, key) != getattr(new, key))


def _scales(scaled: dict[str, Scaled]) -> str:
    return " ".join(f"{name}={each.count}" for name, each in scaled.items())
