"""Which commands of an init script start a daemon, and which statements end it: by their words alone."""

from __future__ import annotations

from collections.abc import Iterator

from amonsup.importing.shell_syntax import Branch, Chain, Function, Group, If, Loop, Simple, Statement

STARTERS = (
    "start-stop-daemon",
    "start_daemon",
    "daemon",
    "startproc",
    "daemonize",
    "/sbin/start-stop-daemon",
    "start_daemon_if_enabled",
)


def is_start(words: tuple[str, ...]) -> bool:
    """Whether a command starts a daemon, as far as its name tells."""
    if not words or words[0] not in STARTERS:
        return False
    if words[0].endswith("start-stop-daemon"):
        own = words[: words.index("--")] if "--" in words else words
        shorts = "".join(each[1:] for each in own if each.startswith("-") and not each.startswith("--"))
        return ("--start" in own or "S" in shorts) and "--test" not in own and "t" not in shorts
    return True


def leaves(statement: Statement) -> bool:
    """Whether it is an exit or a return."""
    return isinstance(statement, Simple) and next(first_words((statement,)), "") in ("exit", "return")


def first_words(statements: tuple[Statement, ...]) -> Iterator[str]:
    """The names of all commands within."""
    for statement in statements:
        if isinstance(statement, Simple):
            for word in statement.words[:3]:  # `exec start-stop-daemon`, `if ! start-stop-daemon`
                yield "".join(piece.text for piece in word)
        elif isinstance(statement, Chain):
            yield from first_words(tuple(part for _, _, part in statement.parts))
        elif isinstance(statement, If):
            for condition, body in statement.arms:
                yield from first_words((*condition, *body))
            yield from first_words(statement.otherwise)
        elif isinstance(statement, Branch):
            for _, body in statement.arms:
                yield from first_words(body)
        elif isinstance(statement, Group | Loop | Function):
            yield from first_words(statement.body)
