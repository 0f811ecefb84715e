"""Chat text to a request: the same verbs as on the command line, without an address in front.

`restart ce`, `logs ce 20`, `logs ce --since 10m`, `status`, `@tier2 status` in a room. Which verbs a person may use
here stands in VERBS; their arguments come from their declarations.
"""

from __future__ import annotations

import difflib
import shlex
from dataclasses import dataclass
from typing import Any

from amonsup.config.roles import Role
from amonsup.control.core import forms, options
from amonsup.verbs import NAMES, load
from amonsup.verbs.verb import Verb

VERBS = tuple(
    name
    for name in (
        "status",
        "show",
        "start",
        "stop",
        "restart",
        "reload",
        "logs",
        "events",
        "tree",
        "apply",
        "hold",
        "release",
        "mute",
    )
    if name in NAMES
)
"""interface.md, 'XMPP'. `help` is answered by the door itself."""

LONGEST = 500
MOST_WORDS = 50
MOST_LINES = 100


@dataclass(frozen=True)
class Line:
    """What somebody asks for. `selector` is the @tag of a room's line, empty elsewhere."""

    verb: Verb
    args: dict[str, Any]
    selector: str = ""


@dataclass(frozen=True)
class Wrong:
    """It is not one of ours; the text is the answer."""

    text: str


@dataclass(frozen=True)
class Help:
    """Somebody wants to know what there is, or how one verb is used."""

    verb: Verb | None = None


def parse(text: str) -> Line | Wrong | Help:
    """The request in a line of chat; an empty one asks for help."""
    if len(text) > LONGEST:
        return Wrong(f"at most {LONGEST} characters")
    try:
        words = shlex.split(text.strip().splitlines()[0]) if text.strip() else []
    except ValueError as error:
        return Wrong(f"not understood: {error}")
    if len(words) > MOST_WORDS:
        return Wrong(f"at most {MOST_WORDS} words")
    selector = words.pop(0)[1:] if words and words[0].startswith("@") else ""
    is_help = not words or words[0].lower() in ("help", "?")
    if is_help and len(words) < 2:
        return Help()
    name = words.pop(1 if is_help else 0).lower()
    verb = load(name) if name in VERBS else None
    if verb is None:
        return Wrong(unknown(name))
    if is_help or _asks_for_help(words):
        return Help(verb)
    args = arguments(verb, words)
    return args if isinstance(args, Wrong) else Line(verb, args, selector)


def _apart(words: list[str]) -> list[str]:
    """Names as people write them in a chat, with commas between: no name has one."""
    return [name for word in words for name in word.split(",") if name]


def _asks_for_help(words: list[str]) -> bool:
    """Behind a verb, and not behind the `--` that ends its options."""
    options_end = words.index("--") if "--" in words else len(words)
    return bool({"--help", "-h"} & set(words[:options_end]))


def unknown(name: str) -> str:
    """What is said to a verb that is not there from afar."""
    if name in NAMES:
        return f"{name} is not there from afar, only at the site: amonsup {name}"
    near = difflib.get_close_matches(name, NAMES, 1)
    hint = f"did you mean {near[0]!r}?" if near else "'help' lists what I know"
    if near and near[0] not in VERBS:
        hint += " That is only at the site."
    return f"I do not know {name[:40]!r}; {hint}"


def arguments(verb: Verb, words: list[str]) -> dict[str, Any] | Wrong:
    """Words to the verb's arguments: services first, a number where the verb has `lines`, the rest as its text."""
    try:
        words, given = options.take(verb, words)
    except options.OptionError as error:
        return Wrong(str(error))
    fields = set(verb.arguments.__struct_fields__)
    required = {field.var for field in forms.fields(verb, ()) if field.is_required}
    args: dict[str, Any] = given
    if "lines" in fields and words and words[-1].isdigit():
        args["lines"] = int(words.pop()[:9])
    if "lines" in args:
        args["lines"] = min(args["lines"], MOST_LINES)
    if "services" in fields:
        args["services"] = words = _apart(words)
        if not words and "services" in required:
            return Wrong(f"{verb.name}: which service? ({verb.name} NAME, {verb.name} all)")
        return args
    if "service" in fields:
        if not words:
            return Wrong(f"{verb.name}: which service?")
        args["service"] = words.pop(0).rstrip(",")
    rest = [field for field in verb.arguments.__struct_fields__ if field in required and field not in args]
    for field in rest:
        if not words:
            return Wrong(f"{verb.name}: {field} is missing; help {verb.name} tells more")
        args[field] = words.pop(0)
    if words and "reason" in fields:
        args["reason"] = " ".join(words)
        words = []
    return Wrong(f"{verb.name}: too many words: {' '.join(words)[:60]}") if words else args


def help_text(role: Role) -> str:
    """What somebody with this role may use, a line a verb."""
    verbs = [verb for name in VERBS if (verb := load(name)) is not None and role >= verb.role]
    lines = [f"{verb.name}: {verb.summary}" for verb in verbs]
    return "\n".join([*lines, "Services by name, @tag, or all; help VERB tells more of one (help logs)."])


def help_of(verb: Verb, role: Role) -> str:
    """How one verb is used in chat: usage, arguments, options."""
    words, flags = options.of(verb)
    usage = " ".join([verb.name, *(each.usage for each in words), *(["[OPTIONS]"] if flags else [])])
    lines = [usage, verb.summary, *(f"{each.spelling}: {each.text}" for each in (*words, *flags))]
    if role < verb.role:
        lines.append(f"It needs the role {verb.role.name.lower()}; yours is {role.name.lower()}.")
    return "\n".join(lines)
