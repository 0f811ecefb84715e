"""Who speaks in one conversation: `admin@localhost` of a test is `admin-7@localhost` at the server, and nowhere else.

A server outlives a conversation, and what it could not deliver it keeps for the account. With accounts that no other
conversation has, nothing of an earlier one can ever arrive in a later one, whatever was under way when it ended.
"""

from __future__ import annotations

import re

from support.xmpp_servers import DOUBLES, HOST, Server


class Cast:
    """The accounts of one conversation with a server, by the names that the test calls them."""

    def __init__(self, server: Server | None = None) -> None:
        self._mark = ""
        if server is not None:
            server.conversations += 1
            assert server.conversations <= DOUBLES, "the server has no more accounts"
            self._mark = f"-{server.conversations}"

    def real(self, text: str) -> str:
        """What the test says, as the server is to hear it."""
        return re.sub(rf"\b(\w+)@{HOST}\b", rf"\g<1>{self._mark}@{HOST}", text)

    def played(self, text: str) -> str:
        """What came from there (or stands in a site's records), as the test calls it."""
        return text.replace(f"{self._mark}@{HOST}", f"@{HOST}")
