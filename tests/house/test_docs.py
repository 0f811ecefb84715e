"""The documentation says what is: every verb, status, event kind and key is there, links resolve, parts are current."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from amonsup import verbs
from amonsup.cli import errors
from amonsup.config import not_yet
from amonsup.config.service_keys import SERVICE
from amonsup.supervisor.model.phases import State

TOP = Path(__file__).resolve().parents[2]
DOCS = TOP / "docs"
PAGES = sorted([*TOP.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
KINDS = re.compile(r"(?:\.note\(state,|tidings\.say\(|note\(name,|_tell\(\[\()\s*\"([a-z-]+)\"")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def operations() -> str:
    return (DOCS / "operations.md").read_text()


def test_generated_parts_are_up_to_date(generate: ModuleType) -> None:
    assert generate.outdated() == [], "run: make docs"


def test_every_part_is_used_once(generate: ModuleType) -> None:
    found = [match[1] for page in PAGES for match in generate.PART.findall(page.read_text())]
    assert sorted(found) == sorted(generate.PARTS)


def test_every_verb_is_documented(operations: str) -> None:
    readme = (TOP / "README.md").read_text()
    for name in verbs.NAMES:
        assert f"`amonsup {name}" in operations, name
        assert re.search(rf"\b{name}\b", readme), name


def test_every_exit_status_is_documented(operations: str) -> None:
    statuses = [value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)]
    assert {0, 1, 2, 3, 4, 5} <= set(statuses)
    for status in statuses:
        assert f"| {status} |" in operations or f"Interrupted: {status}" in operations, status


def test_every_state_is_documented(operations: str) -> None:
    assert [state.value for state in State if f"| `{state.value}` |" not in operations] == []


def test_every_kind_of_event_is_documented(operations: str) -> None:
    sources = [path.read_text() for path in (TOP / "amonsup" / "supervisor").rglob("*.py")]
    kinds = {kind for source in sources for kind in KINDS.findall(source)}
    assert len(kinds) > 20, "the pattern finds them"
    section = operations.partition("## What `events` says")[2].partition("\n## ")[0]
    assert {kind for kind in kinds if f"`{kind}`" not in section} == set()


def test_every_key_is_documented() -> None:
    page = (DOCS / "configuration.md").read_text()
    for key in [*SERVICE, *(key.replace("=", ": ") for key in not_yet.SERVICE)]:
        assert f"| `{key}` |" in page, key


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_links_resolve(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", other.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_no_path_of_a_developers_machine(page: Path) -> None:
    found = re.search(r"(?<![\w.])/(?:home|root|work|tmp)/\S*", page.read_text())
    assert found is None, found


def test_readme_configuration_is_valid(tmp_path: Path) -> None:
    """What the tour shows passes the parser, as a plain user's without `user:`."""
    from amonsup.config.load import Checked, check_file

    blocks = re.findall(r"```yaml\n(services:.*?)```", (TOP / "README.md").read_text(), re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        text = "".join(line for line in block.splitlines(True) if not line.lstrip().startswith("user:"))
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        assert isinstance(check_file(str(file), environ={}, euid=1000), Checked)


def test_decisions_are_numbered_once_each() -> None:
    files = sorted((DOCS / "decisions").glob("*.md"))
    assert [path.name[:4] for path in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    for path in files:
        number = int(path.name[:4])
        assert path.read_text().startswith(f"# {number}. "), path


def test_what_import_carries_is_said_as_counted() -> None:
    text = (DOCS / "importing.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| together |"))
    found, exact, reduced, approximated, refused = (int(cell.split()[0]) for cell in row.split("|")[2:7])
    assert exact + reduced + approximated + refused == found
    shares = [round(100 * part / found) for part in (exact + reduced, approximated, refused)]
    words = "Without an approximation: {} % (exact and reduced); with some: {} %; refused: {} %.".format(*shares)
    assert words in text
