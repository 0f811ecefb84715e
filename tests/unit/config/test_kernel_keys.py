"""What is asked of the kernel, as conf.d writes it: right values, and wrong ones with their words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amonsup.config import enforceable
from amonsup.config.capabilities import EVERY, NAMES, bits, dropped_and_added
from amonsup.config.load import Checked, check_file
from amonsup.config.specs import ServiceSpec
from amonsup.config.units import parse_processors

# key: (a right value, a wrong one, the words about the wrong one)
VALUES = {
    "ulimits": ("{nofile: 65536, core: {soft: 0, hard: -1}}", "{nofiles: 1}", "did you mean 'nofile'?"),
    "mem_limit": ("1GB", "1G", "'1G' is not a size"),
    "cpus": ("0.5", "many", "'many' is not a number"),
    "pids_limit": ("100", "0", "'0' is out of range"),
    "nice": ("-5", "40", "'40' is out of range"),
    "ionice": ("best-effort:4", "fast", "'fast' is not a priority"),
    "oom_score_adj": ("500", "5000", "'5000' is out of range"),
    "cpuset": ("0-3,6", "a", "'a' is not a list of processors"),
    "cap_drop": ("[ALL]", "[NET_BINDSERVICE]", "did you mean 'NET_BIND_SERVICE'?"),
    "cap_add": ("[net_bind_service]", "[1]", "'1' is not a capability"),
    "secrets": ("{token: /etc/t}", "{a b: /etc/t}", "'a b' is not a name"),
}  # fmt: skip


def checked(base: Path, *lines: str, euid: int = 0) -> Checked | list[str]:
    """One service with these lines, as a daemon of this user would read it."""
    body = "".join(f"    {line}\n" for line in ("command: /bin/true", *lines))
    (base / "a.yaml").write_text(f"services:\n  s:\n{body}")
    outcome = check_file(str(base / "a.yaml"), environ={"HOME": "/"}, euid=euid)
    return outcome if isinstance(outcome, Checked) else [each.render() for each in outcome]


@pytest.mark.parametrize("key", VALUES)
def test_a_wrong_value_is_named(base: Path, key: str) -> None:
    _, wrong, words = VALUES[key]
    outcome = checked(base, f"{key}: {wrong}")
    assert isinstance(outcome, list)
    (found,) = outcome
    assert f": services.s.{key}" in found
    assert words in found


def spec_of(base: Path, *lines: str) -> ServiceSpec:
    outcome = checked(base, *lines)
    assert isinstance(outcome, Checked), outcome
    return outcome.fleet.services[0]


def test_right_values(base: Path) -> None:
    spec = spec_of(base, *(f"{key}: {right}" for key, (right, _, _) in VALUES.items()))
    assert spec.ulimits == (("nofile", 65536, 65536), ("core", 0, -1))
    assert (spec.mem_limit_bytes, spec.cpus, spec.pids_limit) == (10**9, 0.5, 100)
    assert (spec.nice, spec.ionice, spec.oom_score_adj, spec.cpuset) == (-5, "best-effort:4", 500, "0-3,6")
    assert (spec.cap_drop, spec.cap_add) == (("ALL",), ("CAP_NET_BIND_SERVICE",))


def test_a_capability_by_any_spelling(base: Path) -> None:
    spec = spec_of(base, "cap_drop: [chown, CAP_KILL, Cap_Net_Raw]")
    assert spec.cap_drop == ("CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW")


def test_a_plain_user_changes_no_capabilities(base: Path) -> None:
    outcome = checked(base, "cap_drop: [ALL]", euid=1)
    assert isinstance(outcome, list)
    assert outcome[0].endswith("services.s.cap_drop: only root can change the capabilities of a service")


@pytest.mark.parametrize("line", ["nice: -1", "ionice: realtime", "oom_score_adj: -1"])
def test_a_plain_user_is_warned_of_what_only_root_can_have(base: Path, line: str) -> None:
    outcome = checked(base, line, euid=1)
    assert isinstance(outcome, Checked)
    (warning,) = outcome.warnings
    assert f"services.s.{line.partition(':')[0]}: " in warning
    assert warning.endswith("the start will fail")
    assert spec_of(base, line)


def test_a_processor_that_no_machine_has(base: Path) -> None:
    outcome = checked(base, "cpuset: 8191")
    assert isinstance(outcome, Checked)
    assert "the start will fail" in outcome.warnings[0]


@pytest.mark.parametrize("text", ["8192", "0-99999999999", "3-1", "1-", "-1", "1,,2", "0-1-2", ""])
def test_no_processors(text: str) -> None:
    with pytest.raises(ValueError, match="processors"):
        parse_processors(text)


def test_a_limit_that_nobody_can_enforce_is_a_warning(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for euid, count in ((os.geteuid(), 3), (os.geteuid() + 1, 0)):  # of another user's daemon nothing is known
        monkeypatch.setattr(enforceable, "_can_use", lambda _controller: False)
        outcome = checked(base, "mem_limit: 1GB", "cpus: 1", "pids_limit: 5", "cpuset: '0'", euid=euid)
        assert isinstance(outcome, Checked)
        assert len(outcome.warnings) == count
        assert all("will not be enforced: no cgroup controller" in warning for warning in outcome.warnings)


def test_capabilities_in_bits() -> None:
    assert NAMES.index("CAP_CHECKPOINT_RESTORE") == 40  # linux/capability.h
    assert bits(["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]) == 1 | 1 << 10
    assert bits(["ALL"]) == EVERY
    assert dropped_and_added(["ALL"], ["CAP_NET_BIND_SERVICE"], 0) == (EVERY & ~(1 << 10), 1 << 10)
    assert dropped_and_added(["CAP_CHOWN"], ["CAP_CHOWN"], 0) == (0, 1)  # what is added wins
    assert dropped_and_added([], ["ALL"], 0b1011) == (0, 0b1011)  # all that we have
