"""check --online: every session of amonsup.yaml is tried from here; slixmpp is imported only for that."""

from __future__ import annotations

import os

from amonsup.config.specs import SiteSpec
from amonsup.config.xmpp_keys import password_objection
from amonsup.verbs.check import OnlineRow


def run(site: SiteSpec, euid: int) -> tuple[OnlineRow, ...]:
    """The findings, session by session. `euid`: whom the daemon would run as."""
    if site.xmpp is None:
        return (OnlineRow("-", "xmpp", None, "amonsup.yaml has no xmpp: there is nothing to try"),)
    import asyncio
    import logging

    from amonsup.control.online import Trial

    logging.getLogger("slixmpp").addHandler(logging.NullHandler())
    logging.getLogger("slixmpp").propagate = False

    async def all_of_them() -> list[OnlineRow]:
        assert site.xmpp is not None
        rows: list[OnlineRow] = []
        for session in site.xmpp.sessions:
            password, reason = _password(session.password_file, euid)
            rows += await Trial(session, site.xmpp.rooms, site.site, password, reason).run()
        return rows

    return tuple(asyncio.run(all_of_them()))


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
