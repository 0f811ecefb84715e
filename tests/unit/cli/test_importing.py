"""`amonsup import` at the command line: what goes to stdout, to stderr, into files, and the exit status."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from amonsup.cli import main as entry

UNIT = (
    "[Unit]\nDescription=CE\n[Service]\nExecStart=/bin/sleep 9\nPrivateTmp=yes\n[Install]\nWantedBy=multi-user.target\n"
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    place = tmp_path / "units"
    place.mkdir()
    (place / "ce.service").write_text(UNIT)
    (place / "se.service").write_text(UNIT.replace("CE", "SE"))
    return place


def test_yaml_to_stdout_and_the_report_to_stderr(
    units: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main(["import", str(units)]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("services:") == 1, "one file that can be used as it is"
    assert "PrivateTmp" in shown.err
    assert "2 found: 2 reduced" in shown.err
    assert "Description=CE" not in shown.err
    (tmp_path / "all.yaml").write_text(shown.out)
    assert entry.main(["check", str(tmp_path / "all.yaml")]) == 0
    assert "ok: 2 services" in capsys.readouterr().out


def test_all_shows_what_was_carried(units: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry.main(["import", "--all", str(units / "ce.service")])
    assert "Description=CE" in capsys.readouterr().err


def test_files(units: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "conf.d"
    assert entry.main(["import", str(units), "--output", str(out)]) == 0
    report = capsys.readouterr().out
    assert sorted(os.listdir(out)) == ["ce.yaml", "se.yaml"]
    assert "amonsup check" in report
    assert (out / "ce.yaml").stat().st_mode & 0o777 == 0o644
    assert entry.main(["check", str(out)]) == 0
    # What is there stays, unless forced.
    (out / "ce.yaml").write_text("mine")
    os.unlink(out / "se.yaml")
    assert entry.main(["import", str(units), "--output", str(out)]) == 1
    assert "--force" in capsys.readouterr().out
    assert (out / "ce.yaml").read_text() == "mine"
    assert (out / "se.yaml").exists(), "the others are done"
    assert entry.main(["import", str(units), "--output", str(out), "--force"]) == 0
    assert "/bin/sleep" in (out / "ce.yaml").read_text()
    assert [name for name in os.listdir(out) if name.startswith(".")] == []


def test_json(units: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (units / "bad.service").write_text("[Service]\nDynamicUser=yes\nExecStart=/bin/x\n")
    assert entry.main(["import", "--json", str(units)]) == 1
    shown = capsys.readouterr()
    assert shown.err == ""
    found = {each["name"]: each for each in json.loads(shown.out)["services"]}
    assert {name: each["outcome"] for name, each in found.items()} == {
        "bad": "refused",
        "ce": "reduced",
        "se": "reduced",
    }
    remark = next(each for each in found["ce"]["remarks"] if each["what"] == "PrivateTmp=yes")
    assert (remark["line"], remark["fate"]) == (5, "left out")
    assert found["ce"]["yaml"].startswith("# Imported from ")


def test_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["import"]) == 2
    assert entry.main(["import", str(tmp_path / "none")]) == 1
    assert "does not exist" in capsys.readouterr().err
    assert entry.main(["import", "--root", str(tmp_path / "none"), "x"]) == 2
