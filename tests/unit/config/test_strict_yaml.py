"""The YAML subset: text with places, bounded, with every refusal at its exact place."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from amonsup.config import strict_yaml
from amonsup.config.strict_yaml import EMPTY, MAX_DEPTH, Mapping, Scalar, Sequence, compose


@pytest.fixture(params=["libyaml", "python"])
def _loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setattr(strict_yaml, "_Loader", yaml.SafeLoader)


pytestmark = pytest.mark.usefixtures("_loader")


def refusals(content: str | bytes) -> list[str]:
    raw = content.encode() if isinstance(content, str) else content
    _, errors = compose(raw, "f", may_be_empty=False)
    return [error.render() for error in errors]


def test_scalars_stay_text_and_know_their_place() -> None:
    root, errors = compose(b"a: no\nb:\n  - 0755\n  - '1:30'\n", "f", may_be_empty=False)
    assert errors == []
    assert root is not None
    assert root.get("a") == Scalar("no", True, 1, 4)
    items = root.get("b")
    assert type(items) is Sequence
    assert items.items == (Scalar("0755", True, 3, 5), Scalar("1:30", False, 4, 5))


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("a: 1\na: 2\n", "f:2:1: a: this key stands twice, first at line 1, column 1"),
        ("a: {b: 1, 'b': 2}", "f:1:11: a.b: this key stands twice, first at line 1, column 5"),
        ("a: [{b: 1, b: 2}]", "f:1:12: a[0].b: this key stands twice, first at line 1, column 6"),
        (
            "a: !!python/name:os.system x",
            "f:1:4: a: the tag '!!python/name:os.system' is not allowed: a value is read by its key's type",
        ),
        ("a: !x {}", "f:1:4: a: the tag '!x' is not allowed: a value is read by its key's type"),
        (
            "b: &b {x: 1}\na:\n  <<: *b",
            "f:3:3: a.<<: merge keys (<<) are not supported; what services share goes under 'defaults:'",
        ),
        ("? [a]\n: b", "f:1:3: ?: a key must be text, not a list"),
        ("a: 1\n---\nb: 1\n", "f:2:1: a second document begins here; write one file for each"),
        ("- a", "f:1:1: expected a mapping (key: value) at the top, found a list"),
        ("hello", "f:1:1: expected a mapping (key: value) at the top, found 'hello'"),
        ("", "f: the file is empty"),
        ("# only a comment\n", "f: the file is empty"),
        ("---\n...\n", "f: the file is empty"),
        (b"a: b\nc: \xc3\xa9\xff", "f:2:5: not UTF-8 text"),
        ("a: b".encode("utf-16"), "f:1:1: not UTF-8 text"),
        ("a: \x00", "f:1:4: the character U+0000 may not stand here unescaped"),
        ("a: b\nc: é\x1b", "f:2:5: the character U+001B may not stand here unescaped"),
        ("a: &x [*x]", "f:1:8: a[0]: the alias *x stands inside of what it names"),
        ("a: *x", "f:1:4: a: no anchor &x stands before this alias"),
        ("#" * (1 << 20) + "\n", "f: larger than 1 MiB"),
    ],
)
def test_refused(content: str | bytes, wrong: str) -> None:
    assert refusals(content) == [wrong]


@pytest.mark.parametrize(("content", "place"), [("a:\n\tb: c", "f:2:1: "), ("a: [b", "f:"), ("a: b: c", "f:1:5: ")])
def test_syntax_errors_have_their_place(content: str, place: str) -> None:
    (wrong,) = refusals(content)
    assert wrong.startswith(place)
    assert "not YAML: " in wrong


def test_tabs_are_explained() -> None:
    assert "no tabs" in refusals("a:\n\tb: c")[0]


def test_empty_where_it_may_be() -> None:
    assert compose(b"", "f", may_be_empty=True) == (EMPTY, [])


def test_a_byte_order_mark_is_no_text() -> None:
    root, errors = compose(b"\xef\xbb\xbfa: b", "f", may_be_empty=False)
    assert errors == []
    assert root is not None
    assert root.get("a") == Scalar("b", True, 1, 4)


def test_aliases_repeat_what_was_named() -> None:
    root, errors = compose(b"a: &x {y: 1}\nb: *x\n", "f", may_be_empty=False)
    assert errors == []
    assert root is not None
    assert root.get("a") == root.get("b")


def test_depth_is_bounded() -> None:
    fits = "a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert refusals(fits) == []
    (wrong,) = refusals("a: " + "[" * 900)
    assert wrong.startswith(f"f:1:{3 + MAX_DEPTH}: a[0][0]")
    assert wrong.endswith(f"nested more than {MAX_DEPTH} levels deep")


def test_depth_is_bounded_whoever_notices_it_first() -> None:
    """libyaml's scanner, which runs ahead of us, may have a bound of its own."""
    (wrong,) = refusals("a: " + "[" * 100_000)
    assert wrong.startswith("f:1:")
    assert wrong.endswith(f"nested more than {MAX_DEPTH} levels deep")


def test_depth_is_bounded_through_aliases() -> None:
    half = "[" * 20 + "]" * 20
    (wrong,) = refusals(f"a: &x {half}\nb: {'[' * 20}*x{']' * 20}\n")
    assert wrong.startswith("f:2:24: b[0]")


def test_a_billion_laughs_are_counted_not_unfolded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (wrong,) = refusals("\n".join(lines))
    assert "more than 250000 values, aliases unfolded" in wrong


YAMLISH = st.text(alphabet="ab01:-?[]{}&*!|>'\"%@` \n\t#,\\xuU~<=.é\0", max_size=60)


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=80), YAMLISH.map(lambda text: text.encode())))
def test_any_bytes_give_a_tree_or_errors(content: bytes) -> None:
    for loader in (yaml.CSafeLoader, yaml.SafeLoader):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(strict_yaml, "_Loader", loader)
            root, errors = compose(content, "f", may_be_empty=True)
        assert root is not None or errors
        assert root is None or type(root) is Mapping
        for error in errors:
            assert error.render().isprintable()


@pytest.mark.parametrize("escape", [r"\UFFFFFFFF", r"\ud800", r"\xZZ"])
def test_impossible_escapes(escape: str) -> None:
    assert len(refusals(f'a: "{escape}"')) == 1
