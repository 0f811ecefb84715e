"""What may stand next on a command line: asked by the shells' scripts at every TAB (`amonsup __complete`, shells.py).

It knows verbs and options from their declarations, as arguments.py does, but is patient with lines that are not
finished or wrong: where it does not know, it offers nothing. Services and tags are asked of the daemon, which has
PATIENCE_S for it. Nothing is ever said on stderr: it would end up in the middle of somebody's command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TextIO

import msgspec

from amonsup import verbs
from amonsup.cli.arguments import OWN, VERSION, Grammar, Option, Place, grammar
from amonsup.cli.errors import DONE, CommandError
from amonsup.verbs.verb import Verb

PATIENCE_S = 0.2
"""For a daemon that does not answer at once: somebody holds the TAB key down."""

SIGNALS = ("HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "CONT", "STOP", "WINCH")
OWN_PROCESSES = ("supervisor", "guardian", "logger")
ASKS_FOR_OWN = ("status", "show", "events")

INSTANCES = "all its instances"

Candidates = list[tuple[str, str]]
"""(what may stand there, what it is), in the order in which they are offered."""


class Known(msgspec.Struct, frozen=True):
    """The services of a site: (name, state), the tags that they have, and of what there are instances."""

    services: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()


class Offer(msgspec.Struct):
    """The answer to a shell. `is_files`: names of files; `has_more`: a candidate is the beginning of a word."""

    candidates: Candidates = msgspec.field(default_factory=list)
    is_files: bool = False
    has_more: bool = False


class Line(msgspec.Struct):
    """The words before the cursor, as far as they can be understood."""

    verb: Verb | None = None
    grammar: Grammar = Grammar((), ())
    options: tuple[Option, ...] = (*OWN, VERSION)
    given: dict[str, str] = msgspec.field(default_factory=dict)
    words: list[str] = msgspec.field(default_factory=list)
    value_of: Option | None = None
    is_literal: bool = False
    is_help: bool = False
    is_wrong: bool = False


def run(words: list[str], environ: Mapping[str, str], stdout: TextIO | None) -> int:
    """`words`: a shell, then what its script passes. The exit status is always 0."""
    if stdout is None or len(words) < 2:
        return DONE
    shell, *rest = words
    trim = ""
    if shell == "bash":
        before, current = split(rest[0])
        seen = rest[1] if len(rest) > 1 else current
        trim = current[: len(current) - len(seen)] if current.endswith(seen) else ""
    else:
        before, current = rest[:-1], rest[-1]
    line = read(before)
    offer = offered(line, current, lambda: _ask(line, environ))
    try:
        stdout.write("".join(f"{each}\n" for each in _answer(offer, current, trim, has_words=shell != "bash")))
        stdout.flush()
    except (OSError, UnicodeError):
        pass  # the shell has changed its mind
    return DONE


def split(text: str) -> tuple[list[str], str]:
    """A line up to the cursor as a shell splits it: the words before the current one (ours left out), and that."""
    import shlex

    marked = text + "\x00"  # so that an empty word at the end, or a space inside quotes, is seen
    for closing in ("", '"', "'"):
        try:
            words = shlex.split(marked + closing, comments=False)
        except ValueError:
            continue
        words[-1] = words[-1].replace("\x00", "")
        return words[1:-1], words[-1] if len(words) > 1 else ""
    return [], ""


def read(before: list[str]) -> Line:
    """As arguments.read does, but nothing is an error."""
    line = Line()
    for word in before:
        if line.value_of is not None:
            line.given[line.value_of.name] = word
            line.value_of = None
        elif not line.is_literal and word == "--":
            line.is_literal = True
        elif not line.is_literal and word.startswith("-") and len(word) > 1:
            _read_option(line, word)
        elif line.verb is not None:
            line.words.append(word)
        elif word == "help":
            line.is_help = True
        else:
            line.verb = verbs.load(word)
            if line.verb is None:
                line.is_wrong = True
                return line
            line.grammar = grammar(line.verb)
            line.options = (*line.grammar.options, *OWN)
    return line


def _read_option(line: Line, word: str) -> None:
    spelling, glue, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
    option = next((each for each in line.options if spelling in each.spellings), None)
    if option is None:
        return
    line.given[option.name] = value
    if option.type is not bool and not glue:
        line.value_of = option


def offered(line: Line, current: str, known: Callable[[], Known]) -> Offer:
    """Everything that may stand there and begins with `current`; `known` is asked only if it matters."""
    if line.is_wrong:
        return Offer()
    if line.value_of is not None:
        offer = _values(line.value_of.metavar, line.value_of.choices, current)
    elif current.startswith("--") and "=" in current:
        spelling = current.partition("=")[0]
        option = next((each for each in line.options if spelling in each.spellings), None)
        offer = _values(option.metavar, option.choices, current) if option is not None else Offer()
        offer.candidates = [(f"{spelling}={value}", about) for value, about in offer.candidates]
    elif current.startswith("-") and not line.is_literal:
        offer = Offer(_options(line))
    elif line.verb is None:
        # Their summaries are worth it only where they are shown, and loading them all takes a while.
        offer = Offer([(verb.name, verb.summary) for verb in verbs.load_all()])
    elif line.is_help:
        offer = Offer()
    else:
        offer = _words(line, current, known)
    offer.candidates = [(word, about) for word, about in offer.candidates if word.startswith(current)]
    return offer


def _options(line: Line) -> Candidates:
    return [(option.spellings[-1], option.help) for option in line.options if option.name not in line.given]


def _words(line: Line, current: str, known: Callable[[], Known]) -> Offer:
    place = _place(line)
    if place is None:
        return Offer()
    metavar = place.metavar.rstrip(".")
    if not metavar.startswith("SERVICE"):
        return _values(metavar, place.choices, current)
    found = known()
    if metavar != "SERVICE":  # SERVICE=N
        return Offer([(f"{name}=", INSTANCES) for name in found.templates], has_more=True)
    names = list(found.services)
    names += [(name, INSTANCES) for name in found.templates]
    if place.is_many:
        names += [(f"@{tag}", "tag") for tag in found.tags]
        names += [("all", "every service")] if place.is_required and names else []
    if line.verb is not None and line.verb.name in ASKS_FOR_OWN:
        names += [(name, "amonsup's own") for name in OWN_PROCESSES]
    return Offer([(name, about) for name, about in names if name not in line.words])


def _place(line: Line) -> Place | None:
    """Where the next word goes; None: nowhere."""
    places = line.grammar.places
    at = len(line.words)
    if at < len(places):
        return places[at]
    return places[-1] if places and places[-1].is_many else None


def _values(metavar: str, choices: tuple[str, ...], current: str) -> Offer:
    if choices:
        return Offer([(choice, "") for choice in choices])
    name = metavar.rstrip(".")
    if name == "SIGNAL":
        prefix = "SIG" if current.startswith("SIG") else ""
        return Offer([(prefix + signal, "") for signal in SIGNALS])
    return Offer(is_files=name in ("FILE", "PATH", "DIR"))


def _answer(offer: Offer, current: str, trim: str, *, has_words: bool) -> list[str]:
    if offer.is_files:
        return [":files"]
    lines = [":nospace"] if offer.has_more and offer.candidates else []
    for word, about in offer.candidates:
        shown = word[len(trim) :] if word.startswith(trim) else word
        lines.append(f"{shown}\t{about}" if has_words else shown)
    return lines


def _ask(line: Line, environ: Mapping[str, str]) -> Known:
    """What the daemon of this line's site has; nothing if it cannot be asked, quickly."""
    from contextlib import closing

    from amonsup.cli import local
    from amonsup.cli.ask import new_request
    from amonsup.cli.conversation import Conversation
    from amonsup.cli.progress import Progress
    from amonsup.verbs import tree
    from amonsup.verbs.results import TreeResult
    from amonsup.wire.messages import Answer

    try:
        path = line.given.get("socket", "") or local.socket_path(line.given.get("config", ""), environ)
        conversation = Conversation(path, Progress(None, time.monotonic), PATIENCE_S)
        with closing(conversation.messages(new_request(tree.VERB, {}), is_command=False)) as messages:
            for message in messages:
                if isinstance(message, Answer):
                    rows = msgspec.json.decode(message.result, type=TreeResult).services
                    tags = sorted({tag for row in rows for tag in row.tags})
                    templates = sorted({row.instance_of for row in rows} - {""})
                    return Known(tuple(sorted((row.name, row.state) for row in rows)), tuple(tags), tuple(templates))
                break
    except (CommandError, msgspec.MsgspecError, OSError):
        pass
    return Known()
