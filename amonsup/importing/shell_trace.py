"""What an init script would do if it were called with `start`: followed on paper, never executed.

Variables, tests of strings and files, functions, cases and sourced files are followed; every other command is an
`Action`, assumed to succeed. What cannot be known without running something (the output of a command) is unknown, and
stays so in every word it touches. Where a condition is unknown both ways are followed, and what is set there is
doubtful.
"""

from __future__ import annotations

import fnmatch

import msgspec

from amonsup.importing.draft import Place
from amonsup.importing.machine import Machine
from amonsup.importing.shell_starts import STARTERS, first_words, is_start, leaves
from amonsup.importing.shell_syntax import (
    Branch,
    Chain,
    Function,
    Group,
    If,
    Loop,
    Simple,
    Statement,
    parse,
)
from amonsup.importing.shell_values import UnknownError, Values
from amonsup.importing.shell_words import TEXT, TooMuchError

MAX_STEPS = 20_000
MAX_CALLS = 25
LIBRARIES = tuple(
    """
    /lib/lsb/ /lib/init/ /usr/lib/lsb/ /etc/rc.d/init.d/functions /etc/init.d/functions /etc/rc.status
    /usr/share/debconf /etc/rc.d/functions /lib/gentoo/
    """.split()
)
QUIET = frozenset(
    """
    echo printf true : sleep log_daemon_msg log_end_msg log_progress_msg log_action_begin_msg log_action_end_msg
    log_action_msg log_warning_msg log_failure_msg log_success_msg log_begin_msg log_action_cont_msg success
    failure warning passed touch logger rm cat wait shift break continue trap hash type rc_status rc_exit
    rc_reset vlog_daemon_msg vlog_end_msg pidofproc status_of_proc log_use_fancy_output exit return set
    eval_gettext tty which grep egrep sed awk head tail cut tr id command read pgrep pidof ps test [ log_failure
    log_msg log_success let local basename dirname expr stty getent
    """.split()
)
SETTLED = {"true", ":", "echo", "printf"}
RUNNING = {"pidofproc", "status_of_proc", "pidof", "pgrep", "status", "checkproc"}


class Action(msgspec.Struct, frozen=True):
    """A command that would run. `unknown`: what of its words cannot be known; `environment`: set for it alone."""

    place: Place
    words: tuple[str, ...]
    raw: str
    unknown: str = ""
    is_certain: bool = True
    is_background: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    doubtful: tuple[tuple[str, int], ...] = ()


class _LeaveError(Exception):
    """exit or return. `is_exit`: of the script."""

    def __init__(self, is_exit: bool, status: bool) -> None:
        super().__init__()
        self.is_exit, self.status = is_exit, status


class Trace(Values):
    """One call of the script. `actions` in order; a child would inherit `exported`, `umask`, `limits`, `directory`."""

    def __init__(self, machine: Machine, path: str, name: str, argument: str) -> None:
        super().__init__(machine, name, argument)
        self.path, self.argument = path, argument
        self.functions: dict[str, Function] = {}
        self.actions: list[Action] = []
        self.exported: dict[str, None] = {}
        self.doubtful: dict[str, int] = {}
        self.sourced: dict[str, Place] = {}
        self.ends: list[tuple[Place, int]] = []
        self.umask, self.directory = "", ""
        self.limits: dict[str, str] = {}
        self._file = path
        self._is_assumed = False
        self._may_start = True
        self._assumptions = 0
        self._called: dict[str, frozenset[str]] = {}
        self._steps = self._calls = self._doubt = self._inside = 0

    def run(self, text: str) -> None:
        """TooMuchError is all it raises."""
        try:
            self.body(parse(text))
        except _LeaveError:
            pass
        except RecursionError:
            raise TooMuchError("nested deeper than an init script") from None

    def call(self, name: str, *arguments: str) -> bool:
        """A function of the script, if it has it."""
        if name not in self.functions:
            return False
        self._function(self.functions[name], list(arguments))
        return True

    # -- statements --

    def body(self, statements: tuple[Statement, ...]) -> bool | None:
        status: bool | None = True
        for statement in statements:
            status = self._statement(statement)
        return status

    def _statement(self, statement: Statement) -> bool | None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise TooMuchError("does more steps than an init script")
        if isinstance(statement, Simple):
            return self._simple(statement)
        if isinstance(statement, Function):
            self.functions[statement.name] = statement
            return True
        if isinstance(statement, Chain):
            return self._chain(statement)
        if isinstance(statement, Group):
            return self.body(statement.body)
        if isinstance(statement, If):
            return self._if(statement)
        if isinstance(statement, Loop):
            return self._loop(statement)
        return self._case(statement)

    def _chain(self, chain: Chain) -> bool | None:
        status: bool | None = True
        self._is_assumed = False
        for operator, is_negated, part in chain.parts:
            if self._is_assumed and leaves(part):
                status = None
            if operator and status is not None and status is (operator == "||"):
                continue
            is_doubtful = bool(operator) and status is None
            found = self._inside_of(
                part, is_doubtful=is_doubtful, is_conditional=bool(operator) or len(chain.parts) > 1
            )
            if is_negated and found is not None:
                found = not found
            status = None if is_doubtful else found
        return status

    def _inside_of(self, part: Statement, *, is_doubtful: bool, is_conditional: bool) -> bool | None:
        self._doubt += is_doubtful
        self._inside += is_conditional
        try:
            return self._statement(part)
        finally:
            self._doubt -= is_doubtful
            self._inside -= is_conditional

    def _if(self, statement: If) -> bool | None:
        is_doubtful = False
        for condition, body in statement.arms:
            self._inside += 1
            self._is_assumed = False
            try:
                status = self.body(condition)
            finally:
                self._inside -= 1
            if self._is_assumed:  # what a program would answer is not known, only that a script goes on if it may
                status = None
            if status is False:
                continue
            is_doubtful = is_doubtful or status is None
            self._conditional(body, is_doubtful)
            if status:
                return True
        self._conditional(statement.otherwise, is_doubtful)
        return True

    def _conditional(self, body: tuple[Statement, ...], is_doubtful: bool) -> None:
        self._inside_of(Group(0, body), is_doubtful=is_doubtful, is_conditional=True)

    def _loop(self, loop: Loop) -> bool | None:
        try:
            words = [word for each in loop.words for word in self.expand(each)]
        except UnknownError:
            words = []
        if not loop.variable or not words or any("*" in word for word in words):
            if loop.variable:
                self.values[loop.variable] = None
            self._conditional(loop.body, True)
            return True
        for word in words[:50]:
            self.values[loop.variable] = word
            self._conditional(loop.body, False)
        return True

    def _case(self, branch: Branch) -> bool | None:
        try:
            subject = " ".join(self.expand(branch.subject, is_split=False))
        except UnknownError:
            for _, body in branch.arms:
                self._conditional(body, True)
            return None
        for patterns, body in branch.arms:
            for pattern in patterns:
                try:
                    text = " ".join(self.expand(pattern, is_split=False))
                except UnknownError:
                    continue
                if fnmatch.fnmatchcase(subject, text):
                    is_main = subject == self.argument and self._inside == 0
                    return (
                        self.body(body)
                        if is_main
                        else self._inside_of(Group(0, body), is_doubtful=False, is_conditional=True)
                    )
        return True

    # -- simple commands --

    def _simple(self, command: Simple) -> bool | None:
        settings: list[tuple[str, str]] = []
        for name, value in command.assignments:
            try:
                text: str | None = "".join(self.expand(value, is_split=False))
            except UnknownError:
                text = None
            if command.words:
                settings.append((name, text or ""))
            else:
                self._assign(name, text, command.line)
        if not command.words:
            return True
        place = Place(self._file, command.line)
        try:
            words = [word for each in command.words for word in self.expand(each)]
        except UnknownError as unknown:
            return self._unknown(command, place, str(unknown))
        if not words:
            return True
        return self._command(command, place, words, settings)

    def _unknown(self, command: Simple, place: Place, what: str) -> bool | None:
        first = command.words[0][0].text if command.words[0] and command.words[0][0].kind == TEXT else ""
        if first in ("[", "test", "[[") or first in QUIET:
            return None
        if first in (".", "source", "export", "local", "readonly", "declare", "eval", "cd", "umask"):
            self._builtin_unknown(first, command)
            return True
        words = tuple("".join(piece.text for piece in word if piece.kind == TEXT) for word in command.words)
        if first in self.functions:
            self._function(self.functions[first], [""] * (len(words) - 1))
            return True
        self.actions.append(Action(place, words, command.raw, what, self._doubt == 0))
        return True

    def _builtin_unknown(self, first: str, command: Simple) -> None:
        if first in ("export", "local", "readonly", "declare"):
            for word in command.words[1:]:
                name, equals, _ = word[0].text.partition("=") if word and word[0].kind == TEXT else ("", "", "")
                if name.isidentifier():
                    if equals:
                        self.values[name] = None
                    if first == "export":
                        self.exported[name] = None

    def _command(self, command: Simple, place: Place, words: list[str], settings: list[tuple[str, str]]) -> bool | None:
        first = words[0]
        if first in ("[", "test", "[["):
            answer = self.test([word for word in words[1:] if word not in ("]", "]]")])
            self._assumptions += answer is None
            return answer
        if first in ("exit", "return"):
            return self._leave(first, words, place)
        if first in (".", "source") and len(words) > 1:
            self._source(words[1], place)
            return True
        if first in (
            "export",
            "local",
            "readonly",
            "declare",
            "typeset",
            "unset",
            "cd",
            "umask",
            "ulimit",
            "shift",
            "set",
            ":",
        ):
            self._builtin(first, words[1:], command.line)
            return True
        if first == "false":
            return False
        if first in ("eval", "exec", "command") and len(words) > 1:
            return self._command(command, place, words[1:], settings)
        if first in self.functions:
            return self._function(self.functions[first], words[1:])
        if first in RUNNING:
            self._is_assumed = True
            self._assumptions += 1
            return self.argument != "start"
        if not (is_start(tuple(words)) or first in SETTLED):
            self._is_assumed = True
            self._assumptions += 1
        if first not in QUIET:
            names = {piece.text for word in command.words for piece in word if piece.kind != TEXT}
            doubts = tuple((name, self.doubtful[name]) for name in sorted(names) if name in self.doubtful)
            self.actions.append(
                Action(
                    place,
                    tuple(words),
                    command.raw,
                    "",
                    self._doubt == 0,
                    command.is_background,
                    tuple(settings),
                    doubts,
                )
            )
        return True

    def _leave(self, first: str, words: list[str], place: Place) -> bool | None:
        """Not taken where it is doubtful, or where it says that there is nothing to start."""
        is_done = any(is_start(action.words) for action in self.actions) or self.argument != "start"
        if self._doubt:
            return True
        if self._inside and not is_done and (first == "exit" or self._may_start):
            self.ends.append((place, len(self.actions)))
            return True
        raise _LeaveError(first == "exit", len(words) < 2 or words[1] in ("0", "$?"))

    def _function(self, function: Function, arguments: list[str]) -> bool | None:
        if self._calls >= MAX_CALLS:
            raise TooMuchError("functions that call each other without end")
        self._calls += 1
        parameters, self.parameters = self.parameters, arguments
        assumptions = self._assumptions
        may_start, self._may_start = self._may_start, self._starts(function.name, set())
        try:
            return self.body(function.body)
        except _LeaveError as leaving:
            if leaving.is_exit:
                raise
            return leaving.status
        finally:
            self.parameters = parameters
            self._may_start = may_start
            self._is_assumed = self._is_assumed or self._assumptions > assumptions
            self._calls -= 1

    def _starts(self, name: str, seen: set[str]) -> bool:
        """Whether a function, or one that it calls, may start a daemon: then its return may be the end of the start."""
        if name not in self.functions or name in seen:
            return False
        seen.add(name)
        if name not in self._called:
            self._called[name] = frozenset(first_words(self.functions[name].body))
        called = self._called[name]
        return bool(called & set(STARTERS)) or any(self._starts(other, seen) for other in called)

    def _source(self, path: str, place: Place) -> None:
        if path.startswith(LIBRARIES) or self._calls >= MAX_CALLS:
            return
        text = self.machine.text_or_none(path)
        if text is None:
            return
        self.sourced.setdefault(path, place)
        file, self._file = self._file, path
        self._calls += 1
        try:
            self.body(parse(text))
        except _LeaveError as leaving:
            if leaving.is_exit:
                raise
        finally:
            self._file = file
            self._calls -= 1

    def _builtin(self, first: str, words: list[str], line: int) -> None:
        if first in ("export", "local", "readonly", "declare", "typeset"):
            for word in words:
                name, equals, value = word.partition("=")
                if equals:
                    self._assign(name, value, line)
                if first == "export" and name.isidentifier():
                    self.exported[name] = None
        elif first == "unset":
            for name in words:
                self.values.pop(name, None)
        elif first == "cd" and words and not self._doubt:
            self.directory = words[-1]
        elif first == "umask" and words and not self._doubt:
            self.umask = words[-1]
        elif first == "ulimit" and len(words) == 2 and not self._doubt:
            self.limits[words[0]] = words[1]
        elif first == "shift":
            self.parameters = self.parameters[1:]
        elif first == "set" and words and words[0] == "--":
            self.parameters = words[1:]

    def _assign(self, name: str, value: str | None, line: int) -> None:
        known = self.values.get(name, "")
        if self._doubt and value != known:
            self.doubtful[name] = line
            if known:
                return
        else:
            self.doubtful.pop(name, None)
        self.values[name] = value
