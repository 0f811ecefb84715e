"""How a command can end badly, and which exit status that gives (interface.md, 'Exit status').

Everything that is known to go wrong becomes a `CommandError` where it is noticed, with the words a person
needs; command.py is the only place that shows one.
"""

from __future__ import annotations

from amonsup.verbs.verb import Verb

DONE = 0
FAILED = 1
WRONG_USE = 2
NO_DAEMON = 3
REFUSED = 4
NO_ANSWER = 5
INTERRUPTED = 130


class CommandError(Exception):
    """The command ends here. `code` is for programs, `text` says what is wrong, `advice` what to do."""

    def __init__(self, code: str, text: str, status: int, advice: str = "") -> None:
        super().__init__(text)
        self.code, self.text, self.status, self.advice = code, text, status, advice


class UsageError(CommandError):
    """The command line is not one of ours; `verb` is the one whose usage would help."""

    def __init__(self, text: str, verb: Verb | None = None) -> None:
        super().__init__("usage", text, WRONG_USE)
        self.verb = verb


class ProtocolError(CommandError):
    """The other end of the socket does not speak as a supervisor does."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__("protocol", f"{path}: not an answer of an amonsupd: {text}", FAILED)
