"""Text of others, made fit to be shown: nothing in it can move a cursor, recolour a terminal or fake a line.

A service's status, a log's last lines, a name in a refusal: all of it may be written by somebody else. What
is not printable (control characters of both sets, bidirectional overrides, zero-width and unassigned
characters) is shown as its escape. In JSON it becomes a JSON escape, so the document stays the same
document.
"""

from __future__ import annotations

_SPACES = frozenset("\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000")


def harmless(text: str) -> str:
    """One line of text. A tab becomes four spaces, a line break its escape."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _shown(each) for each in text)


def harmless_json(document: bytes) -> str:
    """A JSON document as text; only strings hold what is escaped; line breaks between tokens stay."""
    text = document.decode()
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else _json_escape(each) for each in text)


def _shown(character: str) -> str:
    if character == "\t":
        return "    "
    return character if character in _SPACES else character.encode("unicode_escape").decode()


def _json_escape(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
