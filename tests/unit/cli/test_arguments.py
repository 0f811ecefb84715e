"""The command line, read: what each spelling means, and what is said about one that means nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup import verbs
from amonsup.cli.arguments import NO_WAIT, OWN, VERSION, grammar, read
from amonsup.cli.errors import UsageError
from amonsup.cli.manual import usage


@pytest.mark.parametrize(
    ("line", "verb", "args"),
    [
        ("status", "status", {}),
        ("status ce db", "status", {"services": ["ce", "db"]}),
        ("status -a ce", "status", {"all": True, "services": ["ce"]}),
        ("status ce --all", "status", {"all": True, "services": ["ce"]}),
        ("stop -- --kill", "stop", {"services": ["--kill"]}),
        ("-- status -a", "status", {"services": ["-a"]}),
        ("stop - ce", "stop", {"services": ["-", "ce"]}),
        ("show ce", "show", {"service": "ce"}),
        ("signal HUP ce db", "signal", {"signal": "HUP", "services": ["ce", "db"]}),
        ("check", "check", {}),
        ("check conf.d", "check", {"path": "conf.d"}),
        ("apply --dry-run", "apply", {"dry_run": True}),
        ("events -fn5 --since=10m", "events", {"follow": True, "lines": 5, "since": "10m"}),
        ("events -n 5 --since 10m -f", "events", {"follow": True, "lines": 5, "since": "10m"}),
        ("events --after -1", "events", {"after": -1}),
        ("events --since=a=b", "events", {"since": "a=b"}),
        ("events -n1 -n2", "events", {"lines": 2}),
    ],
)
def test_what_a_line_asks_for(line: str, verb: str, args: dict[str, Any]) -> None:
    asked = read(line.split())
    assert asked.verb is not None
    assert (asked.verb.name, asked.args) == (verb, args)


@pytest.mark.parametrize(
    "line",
    [
        "-c F --socket S --json --timeout 2 stop ce --no-wait",
        "stop ce --no-wait --timeout=2 --json --socket=S -cF",
        "-cF --socket S stop --json --no-wait --timeout 2 ce",
    ],
)
def test_our_own_options_may_stand_anywhere(line: str) -> None:
    asked = read(line.split())
    assert (asked.config, asked.socket, asked.timeout) == ("F", "S", 2.0)
    assert asked.json
    assert asked.no_wait
    assert asked.args == {"services": ["ce"]}


@pytest.mark.parametrize("line", ["--help", "-h", "help"])
def test_help_for_all(line: str) -> None:
    asked = read([line])
    assert asked.help
    assert asked.verb is None


@pytest.mark.parametrize("line", ["stop --help", "stop -h", "help stop", "--help stop", "stop ce -h"])
def test_help_for_a_verb_needs_nothing_else(line: str) -> None:
    asked = read(line.split())
    assert asked.help
    assert asked.verb is not None
    assert asked.verb.name == "stop"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("staus", "there is no verb 'staus'; did you mean 'status'?"),
        ("xyzzy", "there is no verb 'xyzzy'"),
        ("status --al", "there is no option --al; did you mean '--all'?"),
        ("status -x", "there is no option -x"),
        ("status -ax", "there is no option -x"),
        ("--all status", "there is no option --all before the verb; those of a verb stand behind it"),
        ("--no-wait stop ce", "there is no option --no-wait before the verb; those of a verb stand behind it"),
        ("tree --no-wait", "there is no option --no-wait"),
        ("status --all=yes", "--all takes no value"),
        ("status -a-", "-a takes no value"),
        ("start", "start: SERVICE is missing"),
        ("signal HUP", "signal: SERVICE is missing"),
        ("show", "show: SERVICE is missing"),
        ("show a b", "show: 'b' is one word too many"),
        ("tree a", "tree: 'a' is one word too many"),
        ("events -n", "-n needs a value: -n N"),
        ("events -n x", "-n takes a whole number, not 'x'"),
        ("events -n ١", "-n takes a whole number, not '١'"),
        ("events -n 9999999999999999999", "-n takes a whole number, not '9999999999999999999'"),
        ("events --since=", "--since needs a value, not an empty one"),
        ("status --socket=", "--socket needs a value, not an empty one"),
        ("status --timeout 0", "--timeout takes a number of seconds above 0, not '0'"),
        ("status --timeout nan", "--timeout takes a number of seconds above 0, not 'nan'"),
        ("status --timeout inf", "--timeout takes a number of seconds above 0, not 'inf'"),
        ("status --timeout soon", "--timeout takes a number of seconds above 0, not 'soon'"),
        ("status \udcff", "'\\udcff' is not UTF-8"),
    ],
)
def test_what_is_said_about_a_line_that_is_wrong(line: str, says: str) -> None:
    with pytest.raises(UsageError) as wrong:
        read(line.split())
    assert wrong.value.text == says
    assert wrong.value.status == 2


_WORDS = st.sampled_from(
    [
        *verbs.NAMES,
        "help",
        "--",
        "-",
        "--json",
        "-c",
        "-f",
        "-n",
        "-fn3",
        "--since",
        "--no-wait",
        "=",
        "--=",
        "-h",
    ]
)


@given(st.lists(_WORDS | st.text(max_size=4), max_size=7))
def test_any_line_is_read_or_refused(words: list[str]) -> None:
    try:
        read(words)
    except UsageError:
        pass


@pytest.mark.parametrize("name", verbs.NAMES)
def test_every_verb_has_a_grammar_that_collides_with_nothing(name: str) -> None:
    verb = verbs.load(name)
    assert verb is not None
    known = grammar(verb)
    others = {NO_WAIT} - set(known.options)
    spellings = [each for option in (*known.options, *OWN, VERSION, *others) for each in option.spellings]
    assert len(spellings) == len(set(spellings))
    assert all(option.help for option in known.options)
    assert all(place.help for place in known.places)
    assert [place.is_many for place in known.places[:-1]] == [False] * (len(known.places) - 1 if known.places else 0)


def test_usage() -> None:
    expected = {
        "signal": "amonsup signal SIGNAL SERVICE...",
        "check": "amonsup check [--online] [PATH]",
        "stop": "amonsup stop [--no-wait] [--kill] [--force] SERVICE...",
        "events": "amonsup events [-f|--follow] [-S|--since T] [-n|--lines N] [--after SEQ] [SERVICE...]",
    }
    for name, text in expected.items():
        verb = verbs.load(name)
        assert verb is not None
        assert usage(verb) == text


def test_one_of_a_few() -> None:
    assert read(["completion", "zsh"]).args == {"shell": "zsh"}
    with pytest.raises(UsageError, match="SHELL is one of bash, zsh, fish, not 'fisch'; did you mean 'fish'"):
        read(["completion", "fisch"])
