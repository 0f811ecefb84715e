"""The boundary: whatever happens, a line and an exit status."""

from __future__ import annotations

import json

import pytest

from amonsup import __version__, verbs
from amonsup.cli import command
from amonsup.cli import main as entry


@pytest.mark.parametrize(
    ("words", "status"),
    [(["--version"], 0), (["--help"], 0), (["stop", "--help"], 0), (["--help", "--json"], 0)],
)
def test_what_needs_no_daemon(words: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(words) == status
    shown = capsys.readouterr()
    assert shown.out
    assert shown.err == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    entry.main(["--version"])
    assert capsys.readouterr().out == f"amonsup {__version__}\n"


def test_help_teaches_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    entry.main(["--help"])
    page = capsys.readouterr().out
    for verb in verbs.load_all():
        assert f"  {verb.name} " in page
        assert verb.summary in page
    for title in ("usage:", "examples:", "files:", "exit status:"):
        assert title in page


def test_help_of_every_verb_names_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in verbs.load_all():
        entry.main([verb.name, "--help"])
        page = capsys.readouterr().out
        assert verb.summary in page
        assert f"amonsup {verb.name}" in page


def test_no_verb_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main([]) == 2
    assert capsys.readouterr().err == "amonsup: no verb given\n  amonsup --help lists them\n"


def test_wrong_use_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--json", "staus"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"]["code"] == "usage"
    assert shown.err == ""


@pytest.mark.parametrize("is_asked_for", [False, True])
def test_the_unexpected_is_one_line_and_a_traceback_only_on_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, is_asked_for: bool
) -> None:
    def burst(*_: object) -> int:
        raise ZeroDivisionError("oh\x1b[2J")

    monkeypatch.setattr(command, "_command", burst)
    monkeypatch.setenv("AMONSUP_DEBUG", "1" if is_asked_for else "")
    assert entry.main(["status"]) == 1
    shown = capsys.readouterr().err
    assert shown.splitlines()[-1].startswith("amonsup: unexpected ZeroDivisionError: oh\\x1b[2J")
    assert ("Traceback" in shown) == is_asked_for


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_command", burst)
    assert entry.main(["status"]) == 130
