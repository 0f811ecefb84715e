"""Options in a line of chat: `logs ce --since 10m -g ERROR`, as the command line has them, from the same declarations.

`--name value`, `--name=value`, `-n 5`, `-n5`, and flags; `--` ends them. What makes no sense from afar is not offered,
here or in a form: paths, what goes on and on, what is for programs, columns that no chat shows.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from amonsup.verbs.verb import Verb

HIDDEN = frozenset({"follow", "watch", "usage", "after", "no_wait", "save", "cursor", "is_labelled"})


@dataclass(frozen=True)
class Word:
    """What may stand behind a verb: how it is spelled in help, how in the usage, and what it is for."""

    spelling: str
    usage: str
    text: str


class OptionError(Exception):
    """The text is for whoever wrote the line."""


def take(verb: Verb, words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """The words that are none, and the arguments from those that are. Raises OptionError."""
    kinds = _kinds(verb)
    rest: list[str] = []
    args: dict[str, Any] = {}
    words = words[::-1]
    while words:
        word = words.pop()
        if word == "--":
            return rest + words[::-1], args
        if len(word) < 2 or not word.startswith("-"):
            rest.append(word)
            continue
        spelling, value = _apart(word)
        if spelling not in kinds:
            raise OptionError(_unknown(verb, spelling, kinds))
        name, kind = kinds[spelling]
        if kind is bool:
            if value:
                raise OptionError(f"{verb.name}: {spelling} takes no value")
            args[name] = True
            continue
        if not value and not words:
            raise OptionError(f"{verb.name}: {spelling} needs a value")
        args[name] = _value(verb, spelling, kind, value or words.pop())
    return rest, args


def of(verb: Verb) -> tuple[list[Word], list[Word]]:
    """For help: the words behind a verb, and its options."""
    hints = get_type_hints(verb.arguments, include_extras=True)
    required = needed(verb)
    spellings: dict[str, list[str]] = {}
    for spelling, (name, _) in _kinds(verb).items():
        spellings.setdefault(name, []).append(spelling)
    words, flags = [], []
    for name in verb.arguments.__struct_fields__:
        kind, extra = described(hints[name])
        metavar, text = extra.get("metavar", "").strip("[]"), help_of(hints[name])
        if name == "services":
            is_required = "required" in extra or name in required
            words.append(Word("SERVICE", "SERVICE..." if is_required else "[SERVICE...]", text))
        elif name in required:
            words.append(Word(metavar or name.upper(), metavar or name.upper(), text))
        elif name == "reason":
            words.append(Word("REASON", "[REASON]", text))
        elif name in spellings:
            value = "" if kind is bool else f" {metavar or name.upper()}"
            flags.append(Word(", ".join(spellings[name][::-1]) + value, "", text))
    return words, flags


def _apart(word: str) -> tuple[str, str]:
    """Spelling and value, if it stands in the same word."""
    if word.startswith("--"):
        spelling, _, value = word.partition("=")
        return spelling, value
    return word[:2], word[2:]


def _value(verb: Verb, spelling: str, kind: type, text: str) -> Any:
    if kind is not int:
        return text
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise OptionError(f"{verb.name}: {spelling}: a number is expected, not {text[:20]!r}")
    return int(text)


def needed(verb: Verb) -> frozenset[str]:
    """The arguments that have no default."""
    return frozenset(field.name for field in msgspec.structs.fields(verb.arguments) if field.required)


def _kinds(verb: Verb) -> dict[str, tuple[str, type]]:
    """By spelling: the argument and its type. Required ones are words, not options."""
    hints, required = get_type_hints(verb.arguments, include_extras=True), needed(verb)
    kinds: dict[str, tuple[str, type]] = {}
    for name in verb.arguments.__struct_fields__:
        kind, extra = described(hints[name])
        if name in required or name in HIDDEN or "hidden" in extra or kind not in (bool, int, str):
            continue
        kinds["--" + name.replace("_", "-")] = name, kind
        if "short" in extra:
            kinds["-" + extra["short"]] = name, kind
    return kinds


def described(hint: Any) -> tuple[Any, dict[str, str]]:
    """The type of an argument and what its `describe` says beside the text."""
    if get_origin(hint) is None or not hasattr(hint, "__metadata__"):
        return hint, {}
    kind, *metadata = get_args(hint)
    return kind, next((each.extra for each in metadata if getattr(each, "extra", None)), {})


def help_of(hint: Any) -> str:
    """What an argument is for, in the words for who cannot see the command line."""
    _, extra = described(hint)
    texts = (getattr(each, "description", None) for each in getattr(hint, "__metadata__", ()))
    return extra.get("afar", "") or next((text for text in texts if text), "")


def _unknown(verb: Verb, spelling: str, kinds: dict[str, tuple[str, type]]) -> str:
    known = sorted(each for each in kinds if each.startswith("--"))
    near = difflib.get_close_matches(spelling, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}" if known else "it has none here"
    return f"{verb.name}: no option {spelling[:40]!r}; {hint}"
