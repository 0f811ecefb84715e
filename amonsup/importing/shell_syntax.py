"""The grammar of a POSIX shell, as far as init scripts use it: tokens -> statements with their lines. Nothing is run.

Never an error: a script that ends in the middle of something ends there.
"""

from __future__ import annotations

import re

import msgspec

from amonsup.importing.shell_words import MAX_DEPTH, TEXT, VARIABLE, Lexer, Piece, Token, TooMuchError

RESERVED = {
    "if",
    "then",
    "elif",
    "else",
    "fi",
    "while",
    "until",
    "for",
    "do",
    "done",
    "case",
    "esac",
    "{",
    "}",
    "!",
    "in",
    "function",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=")
_REDIRECTION = {"<<-", "<<<", "<<", ">>", ">&", "<&", "<>", ">|", "<", ">"}


class Simple(msgspec.Struct, frozen=True):
    """A simple command."""

    line: int
    assignments: tuple[tuple[str, tuple[Piece, ...]], ...]
    words: tuple[tuple[Piece, ...], ...]
    raw: str
    is_background: bool = False
    is_piped: bool = False


class Branch(msgspec.Struct, frozen=True):
    """A case: the subject and its (patterns, body) pairs."""

    line: int
    subject: tuple[Piece, ...]
    arms: tuple[tuple[tuple[tuple[Piece, ...], ...], tuple[Statement, ...]], ...]


class If(msgspec.Struct, frozen=True):
    line: int
    arms: tuple[tuple[tuple[Statement, ...], tuple[Statement, ...]], ...]
    otherwise: tuple[Statement, ...] = ()


class Loop(msgspec.Struct, frozen=True):
    line: int
    variable: str
    words: tuple[tuple[Piece, ...], ...]
    body: tuple[Statement, ...]


class Group(msgspec.Struct, frozen=True):
    line: int
    body: tuple[Statement, ...]


class Function(msgspec.Struct, frozen=True):
    line: int
    name: str
    body: tuple[Statement, ...]


class Chain(msgspec.Struct, frozen=True):
    """a && b || c: the first operator is ''. `is_negated`: a `!` stands before that part."""

    line: int
    parts: tuple[tuple[str, bool, Statement], ...]


Statement = Simple | Branch | If | Loop | Group | Function | Chain


class Parser:
    """Tokens to statements."""

    def __init__(self, text: str) -> None:
        self.tokens = Lexer(text).tokens()
        self.at = 0

    def script(self) -> tuple[Statement, ...]:
        found: list[Statement] = []
        while self.at < len(self.tokens):
            found += self._list(0, set())
            self.at += 1  # an end of something that was never begun
        return tuple(found)

    def _word(self) -> str:
        """The reserved word or operator that comes next, '' at the end, otherwise the raw word."""
        if self.at >= len(self.tokens):
            return ""
        token = self.tokens[self.at]
        return token.operator or token.raw

    def _line(self) -> int:
        return self.tokens[min(self.at, len(self.tokens) - 1)].line

    def _skip_lines(self) -> None:
        while self._word() in ("\n", ";", "&"):
            self.at += 1

    def _list(self, depth: int, ends: set[str]) -> list[Statement]:
        if depth > MAX_DEPTH:
            raise TooMuchError("nested deeper than an init script")
        found: list[Statement] = []
        while True:
            self._skip_lines()
            word = self._word()
            if (
                not word
                or word in ends
                or word in (")", ";;", ";&")
                or word in RESERVED - {"if", "while", "until", "for", "case", "{", "!", "function"}
            ):
                return found
            before = self.at
            found.append(self._chain(depth))
            if self.at == before:
                self.at += 1

    def _chain(self, depth: int) -> Statement:
        line, parts, operator = self._line(), [], ""
        while True:
            is_negated = False
            while self._word() == "!":
                is_negated = not is_negated
                self.at += 1
            parts.append((operator, is_negated, self._pipeline(depth)))
            operator = self._word()
            if operator not in ("&&", "||"):
                break
            self.at += 1
            while self._word() == "\n":
                self.at += 1
        return parts[0][2] if len(parts) == 1 and not parts[0][1] else Chain(line, tuple(parts))

    def _pipeline(self, depth: int) -> Statement:
        first = self._command(depth)
        is_piped = False
        while self._word() == "|":
            is_piped = True
            self.at += 1
            while self._word() == "\n":
                self.at += 1
            self._command(depth)
        if isinstance(first, Simple) and (is_piped or self._word() == "&"):
            return msgspec.structs.replace(first, is_piped=is_piped, is_background=self._word() == "&")
        return first

    def _command(self, depth: int) -> Statement:
        word, line = self._word(), self._line()
        compound = {"if": self._if, "while": self._loop, "until": self._loop, "for": self._for, "case": self._case}
        found: Statement
        if word in compound:
            self.at += 1
            found = compound[word](depth + 1, line)
        elif word in ("{", "("):
            self.at += 1
            found = Group(line, tuple(self._list(depth + 1, {"}"})))
            self.at += self._word() in ("}", ")")
        elif word == "function":
            self.at += 2
            name = self.tokens[self.at - 1].raw if self.at <= len(self.tokens) else ""
            found = self._function(depth, line, name)
        elif self._ahead(1) == "(" and self._ahead(2) == ")" and _NAME.match(word):
            self.at += 1
            found = self._function(depth, line, word)
        else:
            return self._simple(line)
        self._redirections()
        return found

    def _ahead(self, number: int) -> str:
        index = self.at + number
        return self.tokens[index].operator if index < len(self.tokens) else ""

    def _function(self, depth: int, line: int, name: str) -> Statement:
        while self._word() in ("(", ")", "\n"):
            self.at += 1
        body = self._command(depth + 1) if depth < MAX_DEPTH else Group(line, ())
        return Function(line, name, body.body if isinstance(body, Group) else (body,))

    def _if(self, depth: int, line: int) -> Statement:
        arms: list[tuple[tuple[Statement, ...], tuple[Statement, ...]]] = []
        otherwise: tuple[Statement, ...] = ()
        while True:
            condition = self._list(depth, {"then"})
            self.at += self._word() == "then"
            arms.append((tuple(condition), tuple(self._list(depth, {"elif", "else", "fi"}))))
            word = self._word()
            self.at += word in ("elif", "else", "fi")
            if word == "elif":
                continue
            if word == "else":
                otherwise = tuple(self._list(depth, {"fi"}))
                self.at += self._word() == "fi"
            return If(line, tuple(arms), otherwise)

    def _loop(self, depth: int, line: int) -> Statement:
        self._list(depth, {"do"})
        self.at += self._word() == "do"
        body = self._list(depth, {"done"})
        self.at += self._word() == "done"
        return Loop(line, "", (), tuple(body))

    def _for(self, depth: int, line: int) -> Statement:
        variable = self._word()
        self.at += 1
        words: list[tuple[Piece, ...]] = []
        while self._word() == "\n":
            self.at += 1
        if self._word() == "in":
            self.at += 1
            while self.at < len(self.tokens) and not self.tokens[self.at].operator:
                words.append(self.tokens[self.at].pieces)
                self.at += 1
        self._skip_lines()
        self.at += self._word() == "do"
        body = self._list(depth, {"done"})
        self.at += self._word() == "done"
        return Loop(line, variable, tuple(words), tuple(body))

    def _case(self, depth: int, line: int) -> Statement:
        subject = self.tokens[self.at].pieces if self.at < len(self.tokens) else ()
        self.at += 1
        while self._word() in ("\n", "in"):
            self.at += 1
        arms = []
        while self._word() not in ("esac", ""):
            patterns: list[tuple[Piece, ...]] = []
            before = self.at
            while self._word() not in (")", "", "esac"):
                if not self.tokens[self.at].operator:
                    patterns.append(self.tokens[self.at].pieces)
                self.at += 1
            self.at += self._word() == ")"
            body = self._list(depth, {"esac"})
            arms.append((tuple(patterns), tuple(body)))
            while self._word() in (";;", ";&", "\n"):
                self.at += 1
            if self.at == before:
                self.at += 1
        self.at += self._word() == "esac"
        return Branch(line, subject, tuple(arms))

    def _simple(self, line: int) -> Statement:
        assignments: list[tuple[str, tuple[Piece, ...]]] = []
        words: list[tuple[Piece, ...]] = []
        raw: list[str] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.operator in _REDIRECTION:
                if (
                    words
                    and len(words[-1]) == 1
                    and words[-1][0].text in ("0", "1", "2")
                    and raw
                    and raw[-1] in ("0", "1", "2")
                ):
                    words.pop()
                    raw.pop()
                self._redirections()
                continue
            if token.operator:
                break
            match = _ASSIGNMENT.match(token.raw) if not words else None
            if match:
                assignments.append((match[1], self._assigned(token, match)))
            else:
                words.append(token.pieces)
            raw.append(token.raw)
            self.at += 1
        return Simple(line, tuple(assignments), tuple(words), " ".join(raw))

    @staticmethod
    def _assigned(token: Token, match: re.Match[str]) -> tuple[Piece, ...]:
        """The value: the token's pieces behind the `=`."""
        pieces = list(token.pieces)
        first = pieces[0]
        pieces[0] = msgspec.structs.replace(first, text=first.text[match.end() :])
        if match[2]:
            pieces.insert(0, Piece(VARIABLE, match[1], is_quoted=True))
        return tuple(each for each in pieces if each.text or each.kind != TEXT)

    def _redirections(self) -> None:
        while self.at < len(self.tokens) and self.tokens[self.at].operator in _REDIRECTION:
            self.at += 1
            if self.at < len(self.tokens) and not self.tokens[self.at].operator:
                self.at += 1


def parse(text: str) -> tuple[Statement, ...]:
    """The statements of a script. TooMuchError is all it raises."""
    return Parser(text).script()
