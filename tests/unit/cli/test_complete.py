"""What is offered at TAB, and how a line is understood that is not finished, or wrong."""

from __future__ import annotations

import io

import pytest

from amonsup import verbs
from amonsup.cli import complete
from amonsup.cli.complete import Known, Offer, offered, read, split

SITE = Known((("ce", "running"), ("db", "stopped")), ("grid",))
SCALED = Known((("db", "stopped"), ("web-1", "running"), ("web-2", "running")), (), ("web",))


def offer(*words: str) -> Offer:
    return offered(read(list(words[:-1])), words[-1], lambda: SITE)


def names(*words: str) -> list[str]:
    return [word for word, _ in offer(*words).candidates]


def test_verbs_first_in_the_order_of_help() -> None:
    assert names("") == list(verbs.NAMES)
    assert names("sta") == ["status", "start"]
    assert names("--json", "-c", "x", "stat") == ["status"]
    assert names("help", "sche") == ["schema"]
    assert names("help", "status", "") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("stop", ""), ["ce", "db", "@grid", "all"]),
        (("stop", "ce", ""), ["db", "@grid", "all"]),
        (("stop", "--kill", "@"), ["@grid"]),
        (("status", "s"), ["supervisor"]),
        (("show", ""), ["ce", "db", "supervisor", "guardian", "logger"]),
        (("show", "ce", ""), []),
        (("signal", "US"), ["USR1", "USR2"]),
        (("signal", "SIGU"), ["SIGUSR1", "SIGUSR2"]),
        (("logs", "ce", "--stream", ""), ["out", "err"]),
        (("events", "s"), ["supervisor"]),
        (("signal", "HUP", "d"), ["db"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("room", ""), ["create"]),
        (("room", "create", ""), []),
        (("events", "-n", ""), []),
        (("events", "-n", "5", "c"), ["ce"]),
        (("stop", "--", "-"), []),
        (("apply", ""), []),
        (("nonsense", ""), []),
        (("stop", "--nonsense", "c"), ["ce"]),
    ],
)
def test_words(words: tuple[str, ...], expected: list[str]) -> None:
    assert names(*words) == expected


def test_options_of_the_verb_and_ours_each_once() -> None:
    assert names("stop", "--") == [
        "--no-wait",
        "--kill",
        "--force",
        "--config",
        "--socket",
        "--json",
        "--timeout",
        "--help",
    ]
    assert names("stop", "--kill", "--k") == []
    assert names("--ver") == ["--version"]


@pytest.mark.parametrize("words", [("check", ""), ("-c", ""), ("status", "--config", "x"), ("status", "--socket=x")])
def test_files(words: tuple[str, ...]) -> None:
    assert offer(*words).is_files


def test_the_daemon_is_asked_only_where_it_matters() -> None:
    def never() -> Known:
        raise AssertionError

    for words in (("",), ("stop", "--"), ("signal", ""), ("check", "")):
        offered(read(list(words[:-1])), words[-1], never)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("amonsup st", ([], "st")),
        ("amonsup stop ", (["stop"], "")),
        ("amonsup stop ce  d", (["stop", "ce"], "d")),
        ("~/bin/amonsup -c 'a b' sh", (["-c", "a b"], "sh")),
        ('amonsup check "a b', (["check"], "a b")),
        ("amonsup check 'a ", (["check"], "a ")),
        ("amonsup stop #x", (["stop"], "#x")),
        ("amonsup", ([], "")),
        ("", ([], "")),
    ],
)
def test_a_line_is_split_as_bash_does(text: str, expected: tuple[list[str], str]) -> None:
    assert split(text) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["zsh", "completion", ""], "bash\t\nzsh\t\nfish\t\n"),
        (["bash", "amonsup completion ", ""], "bash\nzsh\nfish\n"),
        (["bash", "amonsup --timeo", "timeo"], "timeout\n"),
        (["fish", "check", ""], ":files\n"),
        (["fish"], ""),
        ([], ""),
    ],
)
def test_what_the_shells_are_told(words: list[str], expected: str) -> None:
    out = io.StringIO()
    assert complete.run(words, {}, out) == 0
    assert out.getvalue() == expected


def test_the_beginning_of_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complete, "_ask", lambda *_: SCALED)
    out = io.StringIO()
    complete.run(["zsh", "scale", ""], {}, out)
    assert out.getvalue() == ":nospace\nweb=\tall its instances\n"


def test_a_service_with_instances_is_offered_as_a_whole_too() -> None:
    found = offered(read(["stop"]), "w", lambda: SCALED)
    assert [name for name, _ in found.candidates] == ["web-1", "web-2", "web"]
