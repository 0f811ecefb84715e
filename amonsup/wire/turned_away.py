"""For what control turns somebody away by itself: the words it has for the audit log, and no others."""

from __future__ import annotations

import enum


class Reason(enum.Enum):
    """What they wanted, or did."""

    SUBSCRIPTION = "subscription"  # a stranger's, to our presence
    WORDS = "words"  # a stranger's, that are no command: those go to the supervisor, who refuses them
    QUESTION = "question"  # a stranger's: what there is, which version, how long
    ROOM = "room"  # a command where none is taken: in a room, or from somebody whom a room hides
    FORM = "form"  # a form that is somebody else's, or closed
    FORMS = "forms"  # more forms than anybody may have open
    BUSY = "busy"  # more at once than anybody may ask
    STANZA = "stanza"  # a stanza that is too deep or too wide to be looked at
    SERVER = "server"  # of a session: it is not to be believed
