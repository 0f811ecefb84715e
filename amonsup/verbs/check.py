"""check: conf.d, without touching anything; with --online also the XMPP accounts."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.errors import ConfigError, counted
from amonsup.config.specs import Role
from amonsup.verbs.page import Cell, Page, Table, Tone, line
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: Annotated[str, describe("a conf.d file or directory; default: all of the site", metavar="[PATH]")] = ""
    online: Annotated[bool, describe("also try every XMPP account: DNS, TCP, TLS, login, clock, rooms")] = False


class OnlineRow(msgspec.Struct, frozen=True):
    """One step of trying an account. ok null: could not be tried.

    step: dns, tcp, tls, login, clock, room; agent: what only the running agent can know, if it is trouble.
    """

    session: str
    step: str
    ok: bool | None
    text: str


class CheckResult(msgspec.Struct, frozen=True):
    """The answer, and its --json. services and files are counted only if all is well."""

    ok: bool
    errors: tuple[ConfigError, ...] = ()
    warnings: tuple[str, ...] = ()
    services: int = 0
    files: int = 0
    online: tuple[OnlineRow, ...] = ()


def page(result: CheckResult) -> Page:
    blocks: Page = [line(Cell(error.render(), Tone.BAD)) for error in result.errors]
    blocks += [line(Cell("warning: ", Tone.BUSY), warning) for warning in result.warnings]
    if result.ok:
        found = f": {counted(result.services, 'service')} in {counted(result.files, 'file')}"
        blocks.append(line(Cell("ok", Tone.GOOD), found))
    if result.online:
        rows = tuple(
            (Cell(row.session, Tone.STRONG), Cell(row.step), _FATES[row.ok], Cell(row.text)) for row in result.online
        )
        blocks.append(Table(("SESSION", "STEP", "", "WHAT"), rows))
    return blocks


_FATES = {True: Cell("ok", Tone.GOOD), False: Cell("FAILED", Tone.BAD), None: Cell("-")}


VERB = Verb(
    name="check",
    role=Role.NONE,
    kind=Kind.LOCAL,
    summary="Check amonsup.yaml and conf.d: every error with file:line:column and what is allowed.",
    details=(
        "Needs no daemon. Exit status 0: valid; 2: not. With --online the accounts of xmpp: are tried as well, beside "
        "a running agent, which does not notice; 1: something there is wrong. The login is tried only by who may read "
        "the password."
    ),
    arguments=Arguments,
    answer=CheckResult,
    page=page,
)
