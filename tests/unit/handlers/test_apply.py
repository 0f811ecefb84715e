"""apply: what is said of a plan, before and after."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec

from amonsup.cli.plain import render
from amonsup.config.specs import AccessRule, Loaded, Role, SiteSpec
from amonsup.config.specs import Fleet as Specs
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.handlers import apply
from amonsup.verbs.apply import Arguments, plan_page
from amonsup.verbs.results import PlanResult

PLACES = {name: f"/{name}" for name in ("config_file", "conf_d", "run_dir", "state_dir", "log_dir", "socket")}
SITE = SiteSpec(site="gsi", **PLACES)
OPEN = msgspec.structs.replace(SITE, access=(AccessRule(Role.ADMIN, user="eve"),), tags=("de",))


def applied(new: SiteSpec, *, dry_run: bool) -> Any:
    """What is answered, or the operation that is carried out."""
    told: list[Any] = []
    desk: Any = SimpleNamespace(
        site=SITE,
        fleet=Fleet(),
        applied=lambda: Loaded(site=SITE, fleet=Specs(), fingerprint=""),
        scaled=dict,
        now=lambda: 1.0,
        load_configuration=lambda then: then(Loaded(site=new, fleet=Specs(), fingerprint="")),
        reply=lambda _, answer: told.append(answer),
        commit=lambda _call, _loaded, _scaled, operation, _renewed: told.append(operation),
    )
    call: Any = SimpleNamespace(id="c-1", verb="apply", by="root (uid 0)", args=Arguments(dry_run=dry_run))
    apply.handle(desk, call)
    (answer,) = told
    return answer


def test_what_changes_about_the_site_is_in_the_plan() -> None:
    """Rights come into force by an apply: they are not nothing."""
    plan = applied(OPEN, dry_run=True)
    assert plan == PlanResult((), (), ("tags", "access"))
    assert render(plan_page(plan)) == "amonsup.yaml changed: tags, access\n"
    assert applied(OPEN, dry_run=False).note == "amonsup.yaml changed: tags, access"


def test_nothing_is_nothing() -> None:
    plan = applied(SITE, dry_run=True)
    assert render(plan_page(plan)) == "nothing to change\n"
    assert applied(SITE, dry_run=False).note == "nothing to change"
