"""`logs --save`: one gzip file in the end, whatever interrupted it on the way."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest

from amonsup.cli import log_saving
from amonsup.cli.errors import CommandError, UsageError
from amonsup.cli.logs import Searching
from amonsup.cli.output import Output
from amonsup.logbook.pieces import Piece, parse_cursors
from amonsup.logbook.reading import Query

LINES = [b"line %d\n" % number for number in range(100)]
LOG = b"".join(LINES)
QUERY = Query(services=("ce",))


class InterruptedByTestError(Exception):
    pass


def source(stops_at: int = -1, asked: list[str] | None = None):
    """Line by line; after so many bytes it is interrupted."""

    def read(query: Query):
        if asked is not None:
            asked.append(query.cursor)
        start = parse_cursors(query.cursor)["ce.log"] if query.cursor else 0
        return ["ce"], pieces(start)

    def pieces(start: int):
        for line in LOG[start:].splitlines(keepends=True):
            if 0 <= stops_at <= start:
                raise InterruptedByTestError
            yield Piece("ce.log", start, line)
            start += len(line)

    return read


def save(file: Path, read, query: Query = QUERY) -> str:
    stdout = io.StringIO()
    output = Output(stdout, io.StringIO(), {}, is_json=False)
    assert log_saving.save(str(file), query, read, Searching(output, lambda: 0.0), output) == 0
    return stdout.getvalue()


@pytest.fixture(autouse=True)
def small_members(monkeypatch):
    monkeypatch.setattr(log_saving, "MEMBER", 100)


def test_the_whole_log_compressed(tmp_path):
    file = tmp_path / "ce.gz"
    assert "790B of log" in save(file, source())
    assert gzip.decompress(file.read_bytes()) == LOG
    assert [path.name for path in tmp_path.iterdir()] == ["ce.gz"]


def test_an_empty_log_is_an_empty_file(tmp_path):
    save(tmp_path / "ce.gz", lambda _query: (["ce"], []))
    assert gzip.decompress((tmp_path / "ce.gz").read_bytes()) == b""


@pytest.mark.parametrize("stops", [(0,), (1,), (150,), (150, 300, 301, 700)])
def test_interrupted_it_goes_on(tmp_path, stops):
    file, asked = tmp_path / "ce.gz", []
    for stop in stops:
        with pytest.raises(InterruptedByTestError):
            save(file, source(stop, asked))
        assert not file.exists()
        with open(f"{file}.part", "ab") as part:
            part.write(b"half a member")  # killed while it wrote
    save(file, source(asked=asked))
    assert gzip.decompress(file.read_bytes()) == LOG
    assert [path.name for path in tmp_path.iterdir()] == ["ce.gz"]
    if max(stops) >= 150:
        assert asked[-1], "it went on from a cursor"


def test_what_was_begun_with_something_else_is_not_mixed(tmp_path):
    file = tmp_path / "ce.gz"
    with pytest.raises(InterruptedByTestError):
        save(file, source(300))
    with pytest.raises(CommandError, match="begun with something else"):
        save(file, source(), Query(services=("ce",), life="last"))
    (tmp_path / "ce.gz.part").write_bytes(b"")
    with pytest.raises(CommandError, match="begun with something else"):
        save(file, source())
    (tmp_path / "ce.gz.part.json").write_text("{")
    with pytest.raises(CommandError, match="begun with something else"):
        save(file, source())


def test_a_file_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "ce.gz").write_text("precious")
    with pytest.raises(CommandError, match="is there already"):
        save(tmp_path / "ce.gz", source())
    assert (tmp_path / "ce.gz").read_text() == "precious"


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(CommandError, match="No such file or directory"):
        save(tmp_path / "nowhere" / "ce.gz", source())


@pytest.mark.parametrize("other", ["follow", "lines", "grep", "context"])
def test_only_the_whole_log_is_saved(other):
    with pytest.raises(UsageError, match=f"not together with --{other}"):
        log_saving.check({"services": ["ce"], other: 1})


def test_the_record_names_the_cursor(tmp_path):
    with pytest.raises(InterruptedByTestError):
        save(tmp_path / "ce.gz", source(300))
    record = json.loads((tmp_path / "ce.gz.part.json").read_text())
    assert record["cursor"] == f"ce.log:{record['saved']}"
    assert gzip.decompress((tmp_path / "ce.gz.part").read_bytes()) == LOG[: record["saved"]]
