"""The words of a POSIX shell: text -> tokens, each word as pieces that are text, a variable or unknown. Nothing is run.

Tolerant on purpose: what is not understood becomes an UNKNOWN piece, never an error; a quote that is not closed ends
with the text. Depth and number of tokens are bounded, so no text can keep the reader busy for long.
"""

from __future__ import annotations

import re

import msgspec

MAX_DEPTH = 40
MAX_TOKENS = 60_000

TEXT, VARIABLE, UNKNOWN = "text", "variable", "unknown"
OPERATORS = (
    "&&",
    "||",
    ";;",
    ";&",
    "<<-",
    "<<<",
    "<<",
    ">>",
    ">&",
    "<&",
    "<>",
    ">|",
    "&",
    "|",
    ";",
    "(",
    ")",
    "<",
    ">",
    "\n",
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Piece(msgspec.Struct, frozen=True):
    """Part of a word. VARIABLE: `text` is the name, `operator` and `word` what stands behind it in ${…}."""

    kind: str
    text: str
    is_quoted: bool = False
    operator: str = ""
    word: tuple[Piece, ...] = ()


class Token(msgspec.Struct, frozen=True):
    """A word (pieces) or an operator (text). `raw`: as it stands."""

    line: int
    operator: str = ""
    pieces: tuple[Piece, ...] = ()
    raw: str = ""


class TooMuchError(ValueError):
    """More than an init script has."""


class Lexer:
    """Text to tokens."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.line = text.replace("\r\n", "\n"), 0, 1
        self.here: list[tuple[str, bool]] = []

    def tokens(self) -> list[Token]:
        found: list[Token] = []
        while (token := self._next()) is not None:
            found.append(token)
            if len(found) > MAX_TOKENS:
                raise TooMuchError("longer than an init script")
            is_here = len(found) > 1 and found[-2].operator in ("<<", "<<-")
            if is_here and not token.operator:
                self.here.append((token.raw.strip("'\"\\"), found[-2].operator == "<<-"))
            if token.operator == "\n":
                self._skip_documents()
        return found

    def _next(self) -> Token | None:
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if char in " \t":
                self.at += 1
            elif char == "\\" and text[self.at + 1 : self.at + 2] == "\n":
                self.at += 2
                self.line += 1
            elif char == "#":
                end = text.find("\n", self.at)
                self.at = end if end >= 0 else len(text)
            else:
                break
        else:
            return None
        for operator in OPERATORS:
            if text.startswith(operator, self.at):
                token = Token(self.line, operator, raw=operator)
                self.at += len(operator)
                self.line += operator == "\n"
                return token
        return self._word()

    def _word(self) -> Token:
        begin, line = self.at, self.line
        pieces = self._pieces(" \t\n;&|()<>", 0)
        if self.at == begin:
            self.at += 1
        return Token(line, pieces=tuple(pieces), raw=self.text[begin : self.at])

    def _pieces(self, ends: str, depth: int, *, in_quotes: bool = False) -> list[Piece]:
        """Up to a character of `ends`, which is left where it is."""
        text, found, plain = self.text, [], ""
        while self.at < len(text) and text[self.at] not in ends:
            char = text[self.at]
            if char == "\n":
                self.line += 1
            piece: Piece | None = None
            if char == "\\":
                following = text[self.at + 1 : self.at + 2]
                self.at += 2
                if following == "\n":
                    self.line += 1
                elif in_quotes and following not in '$`"\\':
                    plain += "\\" + following
                else:
                    piece = Piece(TEXT, following, is_quoted=True)
            elif char == "'" and not in_quotes:
                end = text.find("'", self.at + 1)
                end = end if end >= 0 else len(text)
                piece = Piece(TEXT, text[self.at + 1 : end], is_quoted=True)
                self.line += piece.text.count("\n")
                self.at = end + 1
            elif char == '"' and not in_quotes:
                self.at += 1
                inner = self._pieces('"', depth + 1, in_quotes=True) if depth < MAX_DEPTH else []
                self.at += 1
                found += [Piece(TEXT, plain)] if plain else []
                found += inner or [Piece(TEXT, "", is_quoted=True)]
                plain = ""
            elif char == "`" or text.startswith("$(", self.at):
                piece = self._substitution(char, in_quotes)
            elif char == "$":
                piece = self._variable(depth, in_quotes)
            else:
                plain += char
                self.at += 1
            if piece is not None:
                found += [Piece(TEXT, plain, is_quoted=in_quotes)] if plain else []
                found.append(piece)
                plain = ""
        if plain:
            found.append(Piece(TEXT, plain, is_quoted=in_quotes))
        return found

    def _substitution(self, char: str, in_quotes: bool) -> Piece:
        """$(…), $((…)) or `…`: what it would print is unknown; its text is kept."""
        begin = self.at
        if char == "`":
            end = self.text.find("`", begin + 1)
            while end > 0 and self.text[end - 1] == "\\":
                end = self.text.find("`", end + 1)
            end = end if end >= 0 else len(self.text)
        else:
            level, end, quote = 0, begin + 1, ""
            while end < len(self.text):
                each = self.text[end]
                if each == "\\":
                    end += 1
                elif quote:
                    quote = "" if each == quote else quote
                elif each in "'\"":
                    quote = each
                elif each in "()":
                    level += 1 if each == "(" else -1
                    if level == 0:
                        break
                end += 1
        inner = self.text[begin + (1 if char == "`" else 2) : end]
        self.line += inner.count("\n")
        self.at = end + 1
        return Piece(UNKNOWN, inner, is_quoted=in_quotes)

    def _variable(self, depth: int, in_quotes: bool) -> Piece:
        self.at += 1
        text = self.text
        if text[self.at : self.at + 1] == "{":
            return self._braces(depth, in_quotes)
        match = _NAME.match(text, self.at)
        if match:
            self.at = match.end()
            return Piece(VARIABLE, match[0], is_quoted=in_quotes)
        char = text[self.at : self.at + 1]
        if char and char in "0123456789@*#?$!-":
            self.at += 1
            return Piece(VARIABLE, char, is_quoted=in_quotes)
        return Piece(TEXT, "$", is_quoted=in_quotes)

    def _braces(self, depth: int, in_quotes: bool) -> Piece:
        self.at += 1
        match = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*?$!-]|#(?=\})").match(self.text, self.at)
        if not match or depth > MAX_DEPTH:
            end = self.text.find("}", self.at)
            end = end if end >= 0 else len(self.text)
            inner = self.text[self.at : end]
            self.at = end + 1
            return Piece(UNKNOWN, f"${{{inner}}}", is_quoted=in_quotes)
        self.at = match.end()
        operator = re.compile(r":?[-=+?]|##?|%%?").match(self.text, self.at)
        if operator:
            self.at = operator.end()
        word = self._pieces("}", depth + 1)
        self.at += 1
        kind = VARIABLE if operator or not word else UNKNOWN
        return Piece(kind, match[0], in_quotes, operator[0] if operator else "", tuple(word))

    def _skip_documents(self) -> None:
        """The bodies of here-documents that were announced on the line before."""
        for mark, is_indented in self.here:
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = end if end >= 0 else len(self.text)
                line = self.text[self.at : end]
                self.at = end + 1
                self.line += 1
                if (line.lstrip("\t") if is_indented else line) == mark:
                    break
        self.here.clear()
