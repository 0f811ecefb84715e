"""What top shows, without a terminal."""

from __future__ import annotations

from typing import Any

import msgspec

from amonsup.cli import plain
from amonsup.cli.live import Happened, Lost, Rows
from amonsup.cli.top import view
from amonsup.cli.top.model import KEPT_EVENTS, KEPT_FIGURES, Model, curve
from amonsup.verbs.results import Happening, StatusResult, StatusRow, TreeRow


def row(name: str, **fields: Any) -> StatusRow:
    plain = {"state": "running", "pid": 7, "uptime_s": 5.0, "restarts": 0, "since": None, "exit": None}
    return StatusRow(name=name, **{**plain, **fields})


def rows(*services: StatusRow, warnings: tuple[str, ...] = ()) -> Rows:
    return Rows(StatusResult("gsi", services, warnings), msgspec.Raw(b"{}"))


def names(model: Model) -> list[str]:
    return [name for name, _ in model.visible()]


def head(model: Model) -> str:
    return plain.render([view.head(model, "15:04:05")]).strip()


def test_the_head_says_how_the_site_is() -> None:
    model = Model()
    assert head(model) == "connecting to amonsupd …"
    model.take(rows(row("ce", cpu_percent=20.0, memory_bytes=2048), row("db", state="fatal", cpu_percent=None)))
    assert head(model) == "gsi  1 of 2 running  cpu 20%  mem 2.0K  15:04:05"
    model.take(Lost())
    assert head(model).endswith("reconnecting …")
    model.take(rows(row("ce"), warnings=("conf.d differs",)))
    assert head(model).endswith("! conf.d differs")
    model.filter = "c"
    assert "/c" in head(model)


def test_figures_are_kept_for_the_curves_and_bounded() -> None:
    model = Model()
    for at in range(KEPT_FIGURES + 10):
        model.take(rows(row("ce", cpu_percent=float(at % 2 * 100), memory_bytes=at)))
    assert model.cpu_curve("ce", 4) == "▁█▁█"
    assert len(model.cpu_curve("ce", 1000)) == KEPT_FIGURES
    assert model.memory_curve("ce", 3)[-1] == "█"
    model.take(rows(row("db")))
    assert model.cpu_curve("ce", 4) == "", "it is gone, and its figures with it"


def test_a_curve() -> None:
    assert curve([], 5, "_#") == ""
    assert curve([0, 0], 5, "_#") == "__"
    assert curve([50, 100, 200], 5, "_-#", least=100.0) == "_-#"
    assert curve([1, 9, 9], 2, "_#") == "##"
    assert Model(has_blocks=False).cpu_curve("x", 3) == ""


def test_events_are_bounded() -> None:
    model = Model()
    for at in range(KEPT_EVENTS + 5):
        model.take(Happened((Happening(at, "2025-01-01T15:04:05.000Z", "running", "ce"),)))
    assert len(model.events) == KEPT_EVENTS
    assert plain.render([view.event_lines(model)[-1]]) == "15:04:05  ce  running\n"


def test_the_filter_takes_names_states_and_tags() -> None:
    model = Model()
    model.take(rows(row("ce", tags=("grid",)), row("db", state="fatal"), row("scribe")))
    for typed, shown in (("", ["ce", "db", "scribe"]), ("E", ["ce", "scribe"]), ("fatal", ["db"]), ("@gr", ["ce"])):
        model.filter = typed.lower()
        assert names(model) == [name for name in shown if typed != "E" or "e" in name]


def test_the_tree_has_dependants_below_what_they_need() -> None:
    model = Model()
    model.take(rows(row("ce"), row("db"), row("se"), row("lone")))
    needs = {"ce": ("db (service_started)",), "se": ("ce (service_started)", "db (x)"), "db": (), "gone": ("ce (x)",)}
    model.take_tree(TreeRow(name, "running", wants) for name, wants in needs.items())
    assert names(model) == ["ce", "db", "se", "lone"]
    model.is_tree = True
    assert model.visible() == [("db", 0), ("ce", 1), ("se", 2), ("lone", 0)]
    assert view.cells(model, "se", 2)[0].text == "  └ se"


def test_it_fits_eighty_columns() -> None:
    assert all(len(text) <= 80 for text in (*view.HELP, view.KEYS))
    assert plain.render([view.about(None)]) == "no service\n"
    assert plain.render([view.about(row("ce", description="words"))]) == "ce  running  words\n"
