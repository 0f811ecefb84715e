"""No text makes a reader fail, what is no source is said to be none, and what comes out is always fit for conf.d."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amonsup.importing import calendar, supervisord, unit_files, unit_words
from amonsup.importing.draft import fit_name
from amonsup.importing.gather import import_all, opinion
from amonsup.importing.machine import MAX_BYTES, Machine
from amonsup.importing.shell_syntax import parse
from amonsup.importing.shell_words import TooMuchError
from amonsup.importing.writer import quoted, scalar
from tests.support.imported import Take

ANY = st.text(max_size=300)
UNIT_LINES = st.lists(
    st.tuples(
        st.sampled_from(
            ["ExecStart", "Type", "Restart", "RestartSec", "Environment", "EnvironmentFile", "LimitNOFILE", "User",
            "PIDFile",
             "SuccessExitStatus", "WorkingDirectory", "RuntimeDirectory", "ExecStop", "ExecReload",
             "CapabilityBoundingSet",
             "TimeoutSec", "UMask", "KillSignal", "CPUQuota", "StandardOutput", "After", "Nice", "MemoryMax"]
        ),
        st.one_of(ANY, st.sampled_from(["notify", "oneshot", "always", "5", "infinity", "/bin/ce $A ${B} %i",
        "/bin/kill -HUP $MAINPID"])),
    ),
    max_size=12,
)  # fmt: skip
SHELL = st.lists(
    st.sampled_from(
        ["if", "then", "else", "fi", "case $1 in", "start)", ";;", "esac", "{", "}", "(", ")", "f()", "f", "\n",
        ";", "&&", "||", "!",
         "for x in a b", "do", "done", "'", '"', "`", "$(", "${", "${X:-", "$X", "X=1", "<<EOF", "EOF",
         "start-stop-daemon -S -x /bin/a",
         "[", "]", "-z", ". /etc/x", "exit", "return", "shift", "\\", "#", "start-stop-daemon -K --retry", "daemon",
         "-p"]
    ),
    max_size=60,
).map(" ".join)  # fmt: skip


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(ANY, SHELL))
def test_any_text_is_read(text: str) -> None:
    unit_files.parse(text, "x")
    supervisord.parse(text, "x")
    try:
        parse(text)
    except TooMuchError:
        pass
    for reader in (calendar.cron, unit_words.split, unit_words.seconds, unit_words.bytes_of, unit_words.command_lines):
        try:
            reader(text)  # type: ignore[operator]
        except ValueError:
            pass
    assert fit_name(text)


def fits(take: Take, files: dict[str, str | bytes]) -> None:
    """Every document is one that the parser takes; what it is not sure of is refused."""
    for service in take(files).result.services:
        assert bool(service.yaml) is not bool(service.reason)
        if service.yaml:
            wrong = [error.render() for error in opinion(service.yaml, {})]
            about = ("there is no user", "there is no group", "does not exist", "cannot be read", "there is no service")
            assert not [each for each in wrong if not any(word in each for word in about)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=UNIT_LINES)
def test_any_unit_comes_out_fit_or_refused(take: Take, lines: list[tuple[str, str]]) -> None:
    body = "\n".join(f"{key}={value}" for key, value in lines)
    fits(take, {"/etc/systemd/system/ce.service": f"[Service]\nExecStart=/bin/ce\n{body}\n".encode("utf-8", "replace")})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(ANY, SHELL))
def test_any_script_comes_out_fit_or_refused(take: Take, text: str) -> None:
    fits(take, {"/etc/init.d/ce": f"#!/bin/sh\n### BEGIN INIT INFO\n{text}\n".encode("utf-8", "replace")})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.tuples(st.sampled_from(sorted(supervisord._HANDLERS)), ANY), max_size=8))
def test_any_program_comes_out_fit_or_refused(take: Take, values: list[tuple[str, str]]) -> None:
    body = "\n".join(f"{key}={value}" for key, value in values)
    fits(take, {"/etc/s.conf": f"[program:ce]\ncommand=/bin/ce\n{body}\n".encode("utf-8", "replace")})


@given(text=ANY)
def test_what_is_written_is_read_back(text: str) -> None:
    from amonsup.config.strict_yaml import compose
    from amonsup.config.units import expand

    for written in (scalar(text), quoted(text)):
        root, errors = compose(
            f"a: {written}\nb: [{quoted(text)}]\n".encode("utf-8", "surrogatepass"), "x", may_be_empty=False
        )
        assert root is not None, (written, errors)
        found = root.entries["a"][1].text  # type: ignore[union-attr]
        assert (expand(found, {}) if written == scalar(text) else found) == text


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x7fELF\0\0", "binary file"),
        (b"x" * (MAX_BYTES + 1), "larger than 1 MiB"),
        (b"[Service]\nDescription=\xff\n", "not UTF-8 text (line 2)"),
        (b"hello\n", "neither a systemd unit, an init script nor"),
    ],
)
def test_what_is_no_source(take: Take, content: bytes, why: str) -> None:
    name = "/etc/ce.service" if b"Service" in content else "/etc/ce"
    out = take({name: content})
    assert not out.result.ok
    assert why in out.result.problems[0]


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "void").mkdir()
    for path, why in (
        ("loop", "leads to itself"),
        ("none", "does not exist"),
        ("void", "nothing to import"),
        ("a\0b", "does not exist"),
    ):
        problems = import_all((f"{tmp_path}/{path}",), Machine(), {}).problems
        assert why in problems[0], problems


def test_a_fifo_does_not_block(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "ce")
    assert "not a regular file" in import_all((f"{tmp_path}/ce",), Machine(), {}).problems[0]
