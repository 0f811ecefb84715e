"""Instances: what is made of a template, who depends on whom, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.config.instances import FILLED, Scaled, counts, expand, in_force, instance, problem
from amonsup.config.specs import Condition, Dependency, Healthcheck, Loaded, Logging, ServiceSpec


def service(name: str, *needs: str, **fields: Any) -> ServiceSpec:
    return ServiceSpec(name=name, command=("/bin/x",), depends_on=tuple(Dependency(n) for n in needs), **fields)


def names(*services: ServiceSpec, **scaled: Scaled) -> list[str]:
    return [spec.name for spec in expand(services, scaled)]


def test_without_the_key_nothing_is_touched() -> None:
    specs = (service("a"), service("b", "a"))
    assert expand(specs, {}) is specs


@pytest.mark.parametrize(("scale", "expected"), [(0, []), (1, ["ce-1"]), (3, ["ce-1", "ce-2", "ce-3"])])
def test_as_many_as_are_wanted(scale: int, expected: list[str]) -> None:
    assert names(service("db"), service("ce", scale=scale), service("web")) == ["db", *expected, "web"]


def test_an_instance_is_a_service_like_any_other() -> None:
    (spec,) = expand([service("ce", scale=1, tags=("grid",))], {})
    assert spec == service("ce-1", tags=("grid",), instance_of="ce")
    assert (spec.scale, spec.instance_of) == (None, "ce")


def test_whoever_needs_the_template_needs_them_all_in_the_same_way() -> None:
    needed = Dependency("ce", Condition.HEALTHY, restart=True)
    web = msgspec.structs.replace(service("web"), depends_on=(Dependency("db"), needed))
    found = expand([service("db"), service("ce", "db", scale=2), web], {})[-1]
    assert found.depends_on == (
        Dependency("db"),
        Dependency("ce-1", Condition.HEALTHY, restart=True),
        Dependency("ce-2", Condition.HEALTHY, restart=True),
    )


def test_of_none_nobody_needs_anything() -> None:
    assert expand([service("ce", scale=0), service("web", "ce")], {}) == (service("web"),)


def test_instances_of_two_services_need_each_other_crosswise() -> None:
    found = expand([service("a", scale=2), service("b", "a", scale=2)], {})
    assert [[d.name for d in spec.depends_on] for spec in found] == [[], [], ["a-1", "a-2"], ["a-1", "a-2"]]


def test_name_and_number_are_filled_in_where_they_may_differ() -> None:
    template = ServiceSpec(
        name="ce",
        command=("/bin/ce", "--port=808{instance}", "{name}", '{"a": {instance}}', "{nam}"),
        description="number {instance}",
        working_dir="/var/{name}",
        environment=(("ID", "{instance}"), ("{name}", "x")),
        healthcheck=Healthcheck(http="http://localhost:808{instance}/"),
        pre_start=("/bin/prepare", "{name}"),
        secrets=(("token", "/etc/{name}.token"),),
        logging=Logging(files=("/var/log/{name}.log",)),
        user="ce{instance}",
        scale=2,
    )
    spec = instance(template, 2)
    assert spec.command == ("/bin/ce", "--port=8082", "ce-2", '{"a": 2}', "{nam}")
    assert (spec.description, spec.working_dir) == ("number 2", "/var/ce-2")
    assert spec.environment == (("ID", "2"), ("ce-2", "x"))
    assert spec.healthcheck == Healthcheck(http="http://localhost:8082/")
    assert (spec.pre_start, spec.secrets) == (("/bin/prepare", "ce-2"), (("token", "/etc/ce-2.token"),))
    assert spec.logging.files == ("/var/log/ce-2.log",)
    assert spec.user == "ce{instance}", "not who runs it"


def test_the_fields_that_are_filled_exist() -> None:
    assert set(FILLED) <= set(ServiceSpec.__struct_fields__)


@given(st.text("{}instacenam ", max_size=60), st.integers(1, 1000))
def test_what_was_filled_in_is_not_looked_at_again(text: str, number: int) -> None:
    spec = instance(ServiceSpec(name="ce", command=(text,), scale=1), number)
    assert spec.command == (text.replace("{name}", f"ce-{number}").replace("{instance}", str(number)),)


# ---- amonsup scale -------------------------------------------------------------------------------------------------


def test_what_a_person_said_holds_until_conf_d_says_something_else() -> None:
    said = {"ce": Scaled(count=5, over=2)}
    assert counts([service("ce", scale=2)], said) == {"ce": 5}
    assert in_force([service("ce", scale=2)], said) == said
    assert in_force([service("ce", scale=3)], said) == {}
    assert in_force([service("ce")], said) == {}
    assert in_force([service("other", scale=2)], said) == {}


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ([service("ce", scale=2), service("ce-2")], "the instance ce-2 has the name of another service"),
        ([service("ce", scale=2), service("ce-3")], ""),
        ([service("ce", scale=1), service("ce-1", scale=1)], "the instance ce-1 has the name"),
        ([service("x" * 62, scale=9)], "longer than 63 characters"),
        ([service("x" * 61, scale=9)], ""),
        ([service(f"s{n}", scale=1000) for n in range(6)], "6000 instances in all; at most 5000 are allowed"),
        ([service("a", scale=1000), service("b", "a", scale=1000)], "1000000 dependencies between instances"),
        ([service("a", scale=1000), service("b", "a", scale=99)], ""),
    ],
)
def test_what_cannot_be(services: list[ServiceSpec], words: str) -> None:
    found = problem(services, {})
    assert words in found
    assert bool(found) == bool(words)


def test_the_numbers_that_a_person_said_count() -> None:
    services = [service("ce", scale=1), service("ce-3")]
    assert problem(services, {}) == ""
    assert "ce-3 has the name" in problem(services, {"ce": Scaled(3, 1)})


# ---- conf.d --------------------------------------------------------------------------------------------------------


def test_the_applied_configuration_has_the_template(site: Callable[..., Any]) -> None:
    outcome = site("services:\n  ce: {command: /bin/true, scale: 3}\n  web: {command: /bin/true, depends_on: [ce]}\n")
    assert isinstance(outcome, Loaded)
    assert [(spec.name, spec.scale) for spec in outcome.fleet.services] == [("ce", 3), ("web", None)]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("ce: {command: /bin/true, scale: -1}", "'-1' is out of range; allowed: 0 … 1000"),
        ("ce: {command: /bin/true, scale: 1001}", "'1001' is out of range"),
        ("ce: {command: /bin/true, scale: two}", "'two' is not a whole number"),
        (
            "ce: {command: /bin/true, scale: 2}\n  web: {command: /bin/true, depends_on: [ce-1]}",
            "it is an instance of ce; ce means all of them",
        ),
        (
            "ce: {command: /bin/true, scale: 2}\n  ce-2: {command: /bin/true}",
            "the instance ce-2 has the name of another",
        ),
        (f"{'x' * 63}: {{command: /bin/true, scale: 1}}", "is too long"),
        (
            "a: {command: /bin/true, scale: 1000}\n  b: {command: /bin/true, scale: 1000, depends_on: [a]}",
            "1000000 dependencies between instances; at most 100000 are allowed",
        ),
        ("ce: {command: /bin/true, scale: 2, depends_on: [ce]}", "a cycle: ce -> ce"),
    ],
)
def test_mistakes(errors: Callable[..., list[str]], body: str, words: str) -> None:
    found = errors(f"services:\n  {body}\n")
    assert any(words in each for each in found), found


def test_a_directory_of_an_instance_is_looked_for_by_its_name(site: Callable[..., Any], base: Any) -> None:
    (base / "dir-ce-1").mkdir()
    outcome = site(f'services:\n  ce: {{command: /bin/true, scale: 1, working_dir: "{base}/dir-{{name}}"}}\n')
    assert isinstance(outcome, Loaded)
    assert not [each for each in outcome.warnings if "working_dir" in each]
