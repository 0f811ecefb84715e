"""The command line: argv -> what is asked for.

A small reader of our own, because it stands on the way of every `amonsup status`: what a library brings
costs more than the rest of the command. It follows getopt_long: `--name value`, `--name=value`, `-n5`, `-n
5`, flags in a row (`-fa`), `--` ends the options; options and words may be mixed. Which options a verb has
is generated from its `arguments` record:

    tuple[str, ...]              words, as many as there are
    str, required                one word
    str, metavar in brackets     one word that may be left out
    bool                         a flag
    other str and int            an option with a value
    hidden                       nothing: for programs

Only what was given is sent: the defaults are the server's.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

from amonsup import verbs
from amonsup.cli.errors import UsageError
from amonsup.config.errors import nearest
from amonsup.verbs.verb import Kind, Verb


class Option(msgspec.Struct, frozen=True):
    """`type` is bool, int, float or str; `is_own`: it is amonsup's, not an argument of the verb."""

    name: str
    spellings: tuple[str, ...]
    type: type
    help: str
    metavar: str = ""
    is_own: bool = False
    choices: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True):
    """Where a word goes that is no option."""

    name: str
    metavar: str
    help: str
    is_many: bool = False
    is_required: bool = False
    choices: tuple[str, ...] = ()


class Grammar(msgspec.Struct, frozen=True):
    options: tuple[Option, ...]
    places: tuple[Place, ...]


class Invocation(msgspec.Struct):
    """One command line, read. `args` holds only what was given."""

    verb: Verb | None = None
    args: dict[str, Any] = msgspec.field(default_factory=dict)
    config: str = ""
    socket: str = ""
    timeout: float | None = None
    json: bool = False
    no_wait: bool = False
    help: bool = False
    version: bool = False


OWN = (
    Option("config", ("-c", "--config"), str, "the site's amonsup.yaml", "FILE", is_own=True),
    Option(
        "socket",
        ("--socket",),
        str,
        "the daemon's socket; amonsup.yaml is not read then",
        "PATH",
        is_own=True,
    ),
    Option("json", ("--json",), bool, "one JSON document (with -f: one object a line)", is_own=True),
    Option("timeout", ("--timeout",), float, "give up waiting after it, exit status 5", "SECONDS", is_own=True),
    Option("help", ("-h", "--help"), bool, "this page", is_own=True),
)
VERSION = Option("version", ("--version",), bool, "the client's version", is_own=True)
NO_WAIT = Option("no_wait", ("--no-wait",), bool, "do not wait for the outcome: it is on record", is_own=True)


def grammar(verb: Verb) -> Grammar:
    """What the verb itself takes."""
    options: list[Option] = [NO_WAIT] if verb.kind is Kind.OPERATION else []
    places: list[Place] = []
    described = inspect.type_info(verb.arguments)
    assert isinstance(described, inspect.StructType)
    for field in described.fields:
        assert isinstance(field.type, inspect.Metadata), f"{verb.name}.{field.name} has no describe(…)"
        kind, extra = field.type.type, field.type.extra or {}
        if "hidden" in extra:
            continue
        help_text = (field.type.extra_json_schema or {}).get("description", "")
        metavar = extra.get("metavar", "")
        choices = tuple(extra["choice"].split("|")) if "choice" in extra else ()
        if isinstance(kind, inspect.VarTupleType):
            is_needed = "required" in extra
            places.append(Place(field.name, metavar or "SERVICE...", help_text, is_many=True, is_required=is_needed))
        elif isinstance(kind, inspect.StrType) and (field.required or metavar.startswith("[")):
            name = metavar.strip("[]") or field.name.upper()
            places.append(Place(field.name, name, help_text, is_required=field.required, choices=choices))
        else:
            short = (f"-{extra['short']}",) if "short" in extra else ()
            spellings = (*short, "--" + field.name.replace("_", "-"))
            value_type = {inspect.BoolType: bool, inspect.IntType: int, inspect.StrType: str}[type(kind)]
            name = metavar or field.name.upper()
            options.append(Option(field.name, spellings, value_type, help_text, name, choices=choices))
    return Grammar(tuple(options), tuple(places))


def read(argv: list[str]) -> Invocation:
    """Raises UsageError; never anything else, whatever the words are."""
    asked = Invocation()
    table = _table((*OWN, VERSION))
    places: tuple[Place, ...] = ()
    words: list[str] = []
    rest = argv[::-1]
    is_literal = False
    while rest:
        word = rest.pop()
        if is_literal or len(word) < 2 or not word.startswith("-"):
            if asked.verb is None:
                if word == "help":
                    asked.help = True
                    continue
                asked.verb = _verb(word)
                known = grammar(asked.verb)
                table, places = _table((*OWN, VERSION, *known.options)), known.places
            else:
                words.append(word)
        elif word == "--":
            is_literal = True
        else:
            option, value = _option(word, rest, table, asked.verb)
            if option.is_own:
                setattr(asked, option.name, value)
            else:
                asked.args[option.name] = value
    if asked.verb is not None and not asked.help and not asked.version:
        _place(words, places, asked.verb, asked.args)
    return asked


def _table(options: tuple[Option, ...]) -> dict[str, Option]:
    return {spelling: option for option in options for spelling in option.spellings}


def _verb(word: str) -> Verb:
    verb = verbs.load(word)
    if verb is None:
        raise UsageError(f"there is no verb '{word}'{_nearest(word, list(verbs.NAMES))}")
    return verb


def _option(word: str, rest: list[str], table: dict[str, Option], verb: Verb | None) -> tuple[Option, Any]:
    """The option and its value; takes the value off `rest`, or puts the other flags of a row back."""
    is_long = word.startswith("--")
    if is_long:
        spelling, glue, value = word.partition("=")
    else:
        spelling, value = word[:2], word[2:]
        glue = value
    option = table.get(spelling)
    if option is None:
        near = _nearest(spelling, [each for each in table if each.startswith("--")]) if is_long else ""
        where = "" if verb is not None else " before the verb"
        if verb is None and not near:
            near = "; those of a verb stand behind it"
        raise UsageError(f"there is no option {spelling}{where}{near}", verb)
    if option.type is bool:
        if glue and (is_long or value.startswith("-")):
            raise UsageError(f"{spelling} takes no value", verb)
        if glue:
            rest.append(f"-{value}")
        return option, True
    if not glue:
        if not rest:
            raise UsageError(f"{spelling} needs a value: {spelling} {option.metavar}", verb)
        value = rest.pop()
    return option, _value(option, spelling, value, verb)


def _value(option: Option, spelling: str, text: str, verb: Verb | None) -> str | int | float:
    if option.type is int:
        if not (text.isascii() and text.removeprefix("-").isdecimal() and len(text) <= 18):
            raise UsageError(f"{spelling} takes a whole number, not '{text}'", verb)
        return int(text)
    if option.type is float:
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            raise UsageError(f"{spelling} takes a number of seconds above 0, not '{text}'", verb)
        return number
    if not text:
        raise UsageError(f"{spelling} needs a value, not an empty one", verb)
    if option.is_own:
        return text
    return _chosen(_encodable(text, verb), spelling, option.choices, verb)


def _chosen(text: str, what: str, choices: tuple[str, ...], verb: Verb | None) -> str:
    if choices and text not in choices:
        raise UsageError(f"{what} is one of {', '.join(choices)}, not '{text}'{_nearest(text, list(choices))}", verb)
    return text


def _place(words: list[str], places: tuple[Place, ...], verb: Verb, args: dict[str, Any]) -> None:
    """Words to where they belong, in order."""
    left = [_encodable(word, verb) for word in words]
    for place in places:
        if not left:
            if place.is_required:
                raise UsageError(f"{verb.name}: {place.metavar.rstrip('.')} is missing", verb)
        elif place.is_many:
            args[place.name], left = left, []
        else:
            args[place.name] = _chosen(left.pop(0), place.metavar, place.choices, verb)
    if left:
        raise UsageError(f"{verb.name}: '{left[0]}' is one word too many", verb)


def _encodable(word: str, verb: Verb | None) -> str:
    """Words on a command line are bytes; what is not UTF-8 cannot be a name of anything here."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{word!a} is not UTF-8", verb) from None
    return word


def _nearest(word: str, known: list[str]) -> str:
    found = nearest(word, known)
    return f"; did you mean '{found}'?" if found else ""
