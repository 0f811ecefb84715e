"""The door as a whole: one outcome whatever comes in."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amonsup.config import helper
from amonsup.config.load import Checked, check_file, fingerprint, load
from amonsup.config.service_keys import SERVICE
from amonsup.config.specs import Loaded, ServiceSpec

Site = Callable[..., object]
TRUE = "services: {s: {command: /bin/true}}\n"
ENVIRON = {"HOME": "/home/u"}


def test_files_are_read_in_name_order(site: Site, base: Path) -> None:
    (base / "conf.d" / "0.yaml").write_text("services: {z: {command: /bin/true}}")
    (base / "conf.d" / ".#a.yaml").symlink_to("nowhere")
    (base / "conf.d" / "a.yaml~").write_text("{")
    outcome = site(TRUE, "", "# nothing\n", "services:\n")
    assert isinstance(outcome, Loaded)
    assert [each.name for each in outcome.fleet.services] == ["z", "s"]
    assert outcome.warnings == ()


def test_what_is_loaded_survives_json(site: Site) -> None:
    outcome = site(
        "services:\n"
        "  s:\n"
        "    command: /bin/true\n"
        "    start_limit: {count: 3, within: 5m}\n"
        "    environment: {A: é}\n"
        "    success_exit: [0, SIGKILL]\n"
        "    backoff: {max: 1m}\n"
    )
    assert msgspec.json.decode(msgspec.json.encode(outcome), type=Loaded) == outcome


def test_the_fingerprint_is_of_names_and_contents(site: Site, base: Path) -> None:
    first = site(TRUE)
    assert isinstance(first, Loaded)
    conf_d = str(base / "conf.d")
    assert first.fingerprint == fingerprint(conf_d)
    os.utime(base / "conf.d" / "a.yaml", (0, 0))
    (base / "conf.d" / "notes.txt").write_text("not read")
    assert first.fingerprint == fingerprint(conf_d)
    (base / "conf.d" / "a.yaml").rename(base / "conf.d" / "b.yaml")
    assert first.fingerprint != fingerprint(conf_d)
    assert fingerprint(str(base / "nowhere")) == ""


def test_warnings(site: Site, base: Path) -> None:
    (base / "conf.d" / "x.yml").write_text("")
    outcome = site(
        "services:\n"
        "  s: {command: no-such-program | cat, working_dir: /no/such/place}\n"
        "  t: {command: /no/such/program, depends_on: {s: {condition: service_healthy}}}\n"
    )
    assert isinstance(outcome, Loaded)
    assert [each.replace(f"{base}/conf.d/", "") for each in outcome.warnings] == [
        "x.yml: is not read: only *.yaml is",
        "a.yaml:2:16: services.s.command: '|' is handed to the program as a word: commands are not run by a shell",
        "a.yaml:2:16: services.s.command: the program 'no-such-program' is not found",
        "a.yaml:2:52: services.s.working_dir: the directory '/no/such/place' does not exist",
        "a.yaml:3:16: services.t.command: the program '/no/such/program' is not found",
        "a.yaml:3:47: services.t.depends_on: s has no healthcheck: it counts as healthy once it is running",
    ]


@pytest.mark.parametrize(("working_dir", "start"), [("working_dir: /usr, ", "'/usr'"), ("", "'/'")])
def test_a_program_that_is_not_found_names_from_where(site: Site, working_dir: str, start: str) -> None:
    """Where other paths would be looked for, beside the file, it may well be."""
    outcome = site(f"services:\n  s: {{{working_dir}command: ../no/such.sh}}\n")
    assert isinstance(outcome, Loaded)
    (warning,) = outcome.warnings
    assert f"'../no/such.sh' is not found from {start}, its working_dir" in warning


@pytest.mark.parametrize(("command", "says"), [("./there", "is not executable"), ("./", "is a directory")])
def test_a_program_that_is_there_and_cannot_be_run(site: Site, base: Path, command: str, says: str) -> None:
    (base / "there").write_text("x")
    outcome = site(f"services:\n  s: {{command: {command}, working_dir: {base}}}\n")
    assert isinstance(outcome, Loaded)
    assert [each.endswith(says) for each in outcome.warnings] == [True]


def test_missing_conf_d(base: Path) -> None:
    (base / "conf.d").rmdir()
    outcome = load(str(base / "amonsup.yaml"), environ=ENVIRON, euid=1000)
    assert isinstance(outcome, list)
    assert [each.render() for each in outcome] == [f"{base}/conf.d: does not exist"]


def test_missing_site(tmp_path: Path) -> None:
    outcome = load(str(tmp_path / "x.yaml"), environ=ENVIRON, euid=1000)
    assert isinstance(outcome, list)
    assert [each.render() for each in outcome] == [f"{tmp_path}/x.yaml: does not exist"]


def test_names_on_disk_that_are_no_text(site: Site, base: Path) -> None:
    Path(os.fsdecode(os.fsencode(base) + b"/conf.d/\xff.yaml")).write_text(TRUE)
    outcome = site("")
    assert isinstance(outcome, list)
    assert [each.render() for each in outcome] == [f"{base}/conf.d/\\udcff.yaml: has a name that is not UTF-8"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs files that belong to root")
@pytest.mark.parametrize("what", ["amonsup.yaml", "conf.d", "conf.d/a.yaml", "conf.d/x.env"])
def test_root_reads_only_what_root_alone_can_write(site: Site, base: Path, what: str) -> None:
    (base / "conf.d" / "x.env").write_text("A=1\n")
    text = "services: {s: {command: /bin/true, env_file: x.env}}\n"
    assert isinstance(site(text, euid=0), Loaded)
    (base / what).chmod(0o777)
    outcome = site(text, euid=0)
    assert isinstance(outcome, list)
    (wrong,) = [each.render() for each in outcome]
    assert f"remedy: chmod go-w {base}/{what}" in wrong
    (base / what).chmod(0o755)
    os.chown(base / what, 1234, -1)
    outcome = site(text, euid=0)
    assert isinstance(outcome, list)
    (wrong,) = [each.render() for each in outcome]
    assert f"belongs to uid 1234, not to root, so root does not read it; remedy: chown root {base}/{what}" in wrong


def test_a_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("services: {s: {command: /bin/true, depends_on: [elsewhere]}}\n")
    outcome = check_file(str(file), environ=ENVIRON, euid=1000)
    assert isinstance(outcome, Checked)
    assert [each.name for each in outcome.fleet.services] == ["s"]
    assert [each.replace(str(tmp_path), "") for each in outcome.warnings] == [
        "/one.yaml:1:49: services.s.depends_on: there is no service 'elsewhere' in this file"
    ]


def test_a_directory_alone(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("services: {s: {command: /bin/true, depends_on: [elsewhere]}}\n")
    outcome = check_file(str(tmp_path), environ=ENVIRON, euid=1000)
    assert isinstance(outcome, list)
    assert [each.text for each in outcome] == ["there is no service 'elsewhere'"]


def said(monkeypatch: pytest.MonkeyPatch, *argv: str) -> tuple[int, dict[str, object]]:
    stream = TextIOWrapper(BytesIO())
    monkeypatch.setattr(sys, "stdout", stream)
    status = helper.main(list(argv))
    return status, json.loads(stream.buffer.getvalue())  # type: ignore[attr-defined]


def test_the_child_prints_what_was_loaded(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (base / "conf.d" / "a.yaml").write_text(TRUE)
    status, document = said(monkeypatch, str(base / "amonsup.yaml"))
    assert status == 0
    loaded = msgspec.convert(document["loaded"], Loaded)
    assert loaded.fleet.services == (ServiceSpec(name="s", command=("/bin/true",)),)


def test_the_child_prints_errors(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (base / "conf.d" / "a.yaml").write_text("services: {s: }\n")
    status, document = said(monkeypatch, str(base / "amonsup.yaml"))
    assert status == 2
    (wrong,) = document["errors"]  # type: ignore[misc]
    assert wrong["text"] == "'command' is missing"
    status, document = said(monkeypatch)
    assert status == 2


def calls_for(site: Site, count: int) -> int:
    """How many functions are called to read so many services: what it costs, whatever the machine."""
    services = "".join(
        f"  s{n}:\n    command: /bin/true --port {n}\n    restart: on-failure\n"
        f"    environment: {{A: b, C: d}}\n"
        f"    backoff: {{initial: 0s, max: 10s}}\n    working_dir: /tmp\n    tags: [a, b]\n"
        f"    depends_on: [s{max(0, n - 1)}]\n"
        for n in range(1, count + 1)
    )
    services += "  s0: {command: /bin/true}\n"
    calls = [0]

    def count_calls(_frame: object, event: str, _arg: object) -> None:
        calls[0] += event == "call"

    sys.setprofile(count_calls)
    try:
        outcome = site(f"services:\n{services}")
    finally:
        sys.setprofile(None)
    assert isinstance(outcome, Loaded), outcome
    return calls[0]


def test_four_times_the_services_cost_four_times_as_much(site: Site) -> None:
    calls_for(site, 1)  # what is done once for all
    fifty, two_hundred = calls_for(site, 50), calls_for(site, 200)
    assert 3 * fifty < two_hundred < 4.2 * fifty


KEYS = st.sampled_from([*SERVICE, "zzz", "x-y", "<<", "no", "1"])
SCALARS = st.one_of(
    st.sampled_from(
        [
            "no",
            "0755",
            "1:30",
            "~",
            "",
            "10s",
            "SIGTERM",
            "${A",
            "${HOME}",
            "*a",
            "&a x",
            "!!int 3",
            "none",
            "'",
            '"\\0"',
        ]
    ),
    st.text(alphabet="ab01:-[]{}$ '\"\\#%@~.,é", max_size=12),
)


def _flow(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(children, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(KEYS, children, max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs.items()) + "}"
        ),
    )


VALUES = st.recursive(SCALARS, _flow, max_leaves=12)
BODIES = st.lists(st.tuples(KEYS, VALUES), max_size=8).map(
    lambda pairs: "".join(f"    {key}: {value}\n" for key, value in pairs)
)
FILES = st.one_of(
    st.binary(max_size=100),
    st.tuples(BODIES, BODIES).map(lambda both: f"services:\n  s:\n    command: ls\n{both[0]}  t:\n{both[1]}".encode()),
    st.tuples(VALUES, VALUES).map(lambda both: f"defaults: {both[0]}\nservices: {both[1]}\n".encode()),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=FILES, euid=st.sampled_from([0, 1000]))
def test_any_bytes_give_specs_or_errors(base: Path, content: bytes, euid: int) -> None:
    (base / "conf.d" / "a.yaml").write_bytes(content)
    outcome = load(str(base / "amonsup.yaml"), environ=ENVIRON, euid=euid)
    encoded = msgspec.json.encode(outcome)
    if isinstance(outcome, Loaded):
        assert msgspec.json.decode(encoded, type=Loaded) == outcome
    else:
        assert outcome
        assert all(error.render().isprintable() for error in outcome)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=80), VALUES.map(lambda text: f"xmpp: {text}\naccess: {text}".encode())))
def test_any_bytes_as_a_site(base: Path, content: bytes) -> None:
    (base / "amonsup.yaml").write_bytes(content)
    msgspec.json.encode(load(str(base / "amonsup.yaml"), environ=ENVIRON, euid=1000))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=80), st.text(alphabet="AB=#'\"\\$ {}\n\0é", max_size=40).map(str.encode)))
def test_any_bytes_as_an_env_file(base: Path, content: bytes) -> None:
    (base / "conf.d" / "x.env").write_bytes(content)
    (base / "conf.d" / "a.yaml").write_text("services: {s: {command: ls, env_file: x.env}}")
    msgspec.json.encode(load(str(base / "amonsup.yaml"), environ=ENVIRON, euid=1000))
