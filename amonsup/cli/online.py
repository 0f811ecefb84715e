"""check --online: every session of amonsup.yaml is tried from here; slixmpp is imported only for that.

That somebody else uses the account cannot be seen so, under a resource of our own; a running agent knows, and is asked.
"""

from __future__ import annotations

import os
import time
from contextlib import closing

from amonsup.cli.ask import new_request, parsed
from amonsup.cli.conversation import Conversation
from amonsup.cli.errors import CommandError
from amonsup.cli.progress import Progress
from amonsup.config.specs import SiteSpec
from amonsup.config.xmpp_keys import password_objection
from amonsup.verbs import status
from amonsup.verbs.check import OnlineRow
from amonsup.verbs.results import StatusResult
from amonsup.wire.messages import Answer

AGENT_S = 3.0


def run(site: SiteSpec, euid: int) -> tuple[OnlineRow, ...]:
    """The findings, session by session. `euid`: whom the daemon would run as."""
    if site.xmpp is None:
        return (OnlineRow("-", "xmpp", None, "amonsup.yaml has no xmpp: there is nothing to try"),)
    import asyncio
    import logging

    from amonsup.control.core.remedies import IN_USE
    from amonsup.control.online import Trial

    logging.getLogger("slixmpp").addHandler(logging.NullHandler())
    logging.getLogger("slixmpp").propagate = False

    async def all_of_them() -> list[OnlineRow]:
        assert site.xmpp is not None
        rows: list[OnlineRow] = []
        for session in site.xmpp.sessions:
            password, reason = _password(session.password_file, euid)
            rows += await Trial(session, site.xmpp.rooms, site.site, password, reason).run()
            trouble = said.get(f"xmpp session {session.name}", "")
            if IN_USE in trouble:
                rows.append(OnlineRow(session.name, "agent", False, f"says: {trouble}"))
        return rows

    said = _said_by_the_agent(site.socket)
    return tuple(asyncio.run(all_of_them()))


def _said_by_the_agent(path: str) -> dict[str, str]:
    """What status warns of, by what it is about; nothing, if no daemon is there or it does not tell us."""
    conversation = Conversation(path, Progress(None, time.monotonic), AGENT_S)
    try:
        with closing(conversation.messages(new_request(status.VERB, {}), is_command=False)) as messages:
            for message in messages:
                if isinstance(message, Answer):
                    warnings = parsed(message.result, StatusResult, path).warnings
                    return {about: text for about, _, text in (each.partition(": ") for each in warnings)}
    except CommandError:
        pass
    return {}


def _password(path: str, euid: int) -> tuple[str | None, str]:
    """It, or why there is none: only who may read it can try the login."""
    objection = password_objection(path, euid)
    if objection:
        return None, f"not tried: {objection}"
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            return file.read(4096).decode("utf-8", "replace").rstrip("\r\n"), ""
    except OSError as wrong:
        return None, f"not tried: {path}: {wrong.strerror}"
