"""What doors and modules may use of control: the supervisor, the mirror, the sessions, the settings."""

from __future__ import annotations

from typing import Protocol
from xml.etree.ElementTree import Element

from amonsup.config.roles import Role
from amonsup.config.specs import SiteSpec
from amonsup.config.xmpp_specs import XmppSpec
from amonsup.control.core.mirror import Mirror
from amonsup.control.core.records import Asked, Priority, Said, Seen
from amonsup.control.core.room import Room
from amonsup.control.link import Supervisor
from amonsup.verbs.results import Happening
from amonsup.wire.messages import Caller
from amonsup.wire.turned_away import Reason


class Speaker(Protocol):
    """A session, as doors and modules see it."""

    name: str
    jid: str
    is_up: bool

    def send(self, stanza: Element, priority: Priority, ttl_s: float, *, is_kept: bool = False) -> None:
        """Queue a stanza; after `ttl_s` seconds it is not sent any more. `is_kept`: not lost with a session."""

    async def ask(self, request: Element, timeout_s: float = 30.0) -> Element:
        """Send an IQ and wait for its result or error. Raises TimeoutError, ConnectionError."""


class Desk(Protocol):
    """Control, seen from a door or a module."""

    site: SiteSpec
    xmpp: XmppSpec
    mirror: Mirror
    supervisor: Supervisor

    def session(self, name: str) -> Speaker | None: ...

    def role_of(self, jid: str) -> Role:
        """Of an address by itself. The supervisor decides about commands; this is for what is only shown."""

    def caller(self, jid: str, via: str, age_s: float = 0.0) -> Caller:
        """Who somebody is, for the supervisor: the address, and where they stand in a room that hides nobody."""

    def room(self, jid: str) -> Room | None: ...

    def turned_away(self, by: str, reason: Reason) -> None:
        """Put on record that somebody was refused without the supervisor being asked."""

    def tell(self, about: str, text: str) -> None:
        """Trouble with a session or a room, for `status`; empty: all is well there."""

    def show_to(self, speaker: Speaker, addresses: list[str]) -> None:
        """These have not seen our presence yet."""

    def is_subscribed(self, speaker: Speaker, person: str) -> bool:
        """Whether a bare address gets our presence anyway, as far as we know."""

    def muted_s(self, service: str) -> float:
        """For how many seconds nobody wants to hear of it; 0: tell."""

    def spawn(self, coroutine: object) -> None:
        """Run it beside; an exception in it is logged and ends nothing else. Who calls it bounds how many there are."""

    def serve(self, who: str, coroutine: object) -> bool:
        """`spawn` for a person, or STRANGERS. False, and it is not run: too much is under way for them, or for all."""


class Door:
    """A door or a module: overrides what it wants to hear of. Returning True ends the search for who is meant."""

    def up(self, speaker: Speaker, *, is_resumed: bool) -> None:
        """A session is there; after a resumption everything is as it was."""

    def down(self, speaker: Speaker) -> None:
        """It is gone, perhaps to be resumed."""

    def said(self, speaker: Speaker, said: Said) -> bool:
        return False

    def seen(self, speaker: Speaker, seen: Seen) -> bool:
        return False

    def asked(self, speaker: Speaker, asked: Asked) -> bool:
        return False

    def rostered(self, speaker: Speaker, items: dict[str, str]) -> None:
        """News of the account's roster: subscriptions by address."""

    def happened(self, happening: Happening) -> None:
        """An event of the supervisor; the mirror follows a moment later (`mirrored`)."""

    def mirrored(self) -> None:
        """The mirror has been brought up to date; perhaps nothing in it is different."""

    @property
    def is_owing(self) -> bool:
        """Whether something that has happened is still to be told: who comes after us must hear of it."""
        return False
