"""conf.d YAML out of a draft: the keys in the vocabulary's order, and as comments where each file comes from.

Written by hand and not by a YAML library, because a person goes on with it: one line where one line does, quotes only
where they are needed, and no value that means something else to another reader.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import Any

from amonsup.config.service_keys import SERVICE
from amonsup.config.units import split_words
from amonsup.importing.draft import APPROXIMATED, HARDENING, LEFT_OUT, Draft, Filled, brief

_PLAIN = re.compile(r"(?:[A-Za-z0-9_/.]|-(?=[A-Za-z0-9-]))[A-Za-z0-9_/.,=@%+:-]*(?: [A-Za-z0-9_/.,=@%+:-]+)*")
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
_DOLLAR = re.compile(r"\$(?=[{$])")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
INLINE = {"backoff", "start_limit", "logging"}
NOT_EXPANDED = {"description", "umask", "cpuset", "schedule", "time_zone"}


def document(draft: Draft) -> str:
    """A whole conf.d file."""
    lines = [f"# Imported from {brief(draft.source)} ({draft.kind}) by `amonsup import`."]
    lossy = [each for each in draft.remarks if each.fate in (APPROXIMATED, LEFT_OUT)]
    for fate in (APPROXIMATED, LEFT_OUT):
        of_fate = [each for each in lossy if each.fate == fate]
        lines += [f"# {fate}:"] if of_fate else []
        hardened = [each for each in of_fate if each.how == HARDENING]
        if hardened:
            keys = dict.fromkeys(each.what.partition("=")[0] for each in hardened)
            lines += textwrap.wrap(_comment(", ".join(keys)), 100, initial_indent="#   ", subsequent_indent="#     ")
            lines.append(f"#     {HARDENING}")
        for each in of_fate:
            if each.how == HARDENING:
                continue
            where = f"{each.file.rpartition('/')[2]}:{each.line}: " if each.line else ""
            lines.append(_comment(f"#   {where}{each.what}: {each.how}"))
    lines += ["", "services:", *_service(draft.name, draft.keys)]
    for name, keys in draft.companions.items():
        lines += ["", *_service(name, keys)]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)


def _service(name: str, keys: dict[str, Any]) -> list[str]:
    lines = [f"  {name}:"]
    for key in SERVICE:
        if key in keys:
            lines += _key(key, keys[key], "    ")
    return lines


def _key(key: str, value: Any, indent: str) -> list[str]:
    is_raw = key in NOT_EXPANDED
    if key == "command" or (
        isinstance(value, list) and key in ("preflight", "pre_start", "post_start", "pre_stop", "post_stop", "reload")
    ):
        return [f"{indent}{key}: {_command(value)}"]
    if isinstance(value, dict):
        if not value or key in INLINE:
            return [f"{indent}{key}: {_inline(value)}"]
        return [f"{indent}{key}:", *(f"{indent}  {scalar(name)}: {_inline(below)}" for name, below in value.items())]
    return [f"{indent}{key}: {_inline(value, is_raw=is_raw)}"]


def _inline(value: Any, *, is_raw: bool = False) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(name)}: {_inline(below)}" for name, below in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return (
        scalar(value, is_raw=is_raw)
        if isinstance(value, str)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _flow(value: Any) -> str:
    """Within [ ] a comma ends a plain scalar."""
    text = scalar(value) if isinstance(value, str) else str(value)
    return quoted(text) if "," in text and not text.startswith('"') else text


def _command(words: list[str]) -> str:
    """Text where it reads the same, otherwise a list."""
    done = [escaped(word) for word in words]
    text = " ".join(done)
    is_simple = all(word and shlex.quote(word) == word for word in words) or all(
        re.fullmatch(r"[^\s'\"\\|&;<>]+", each) for each in done
    )
    if is_simple and split_words(text) == done and _PLAIN.fullmatch(text):
        return scalar(text, is_raw=True)
    return "[" + ", ".join(quoted(word) if not _is_plain(word) or "," in word else word for word in done) + "]"


def scalar(text: str, *, is_raw: bool = False) -> str:
    """One value. `$` is doubled where the parser would otherwise fill in a variable."""
    if not is_raw:
        text = escaped(text)
    return text if _is_plain(text) else quoted(text)


def escaped(text: str) -> str:
    """`$` doubled where the parser would otherwise fill in a variable; where one is meant, it is put in."""
    if not isinstance(text, Filled):
        return _DOLLAR.sub("$$", text)
    return re.sub("\0([A-Za-z0-9_]*)\1", r"${\1:-}", _DOLLAR.sub("$$", str(text)))


def _is_plain(text: str) -> bool:
    is_safe = _PLAIN.fullmatch(text) and ": " not in text and not text.endswith(":") and text.lower() not in _WORDS
    return bool(is_safe) or text in ("no",)


def quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(each) or _character(each) for each in text) + '"'


def _character(char: str) -> str:
    if char.isprintable():
        return char
    number = ord(char)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
