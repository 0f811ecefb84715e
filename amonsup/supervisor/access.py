"""Who is asking, and may they: decided here, once, for every door.

Local callers are known by peer credentials, callers from afar by what the control process says of them (their
address, never a role). Control itself may only look. Whoever is refused is told why; mutating commands, their ends
and refusals go into the audit log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from amonsup.config.specs import AccessRule, Role
from amonsup.loop.loop import Timer
from amonsup.supervisor import command_words
from amonsup.supervisor.adapters.audit import Audit
from amonsup.supervisor.adapters.server import Peer
from amonsup.supervisor.core import remote
from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, select
from amonsup.supervisor.model.records import Operation
from amonsup.supervisor.refusals import LOCAL, Refusals
from amonsup.supervisor.tidings import rfc3339
from amonsup.verbs import load
from amonsup.verbs.results import TargetOutcome
from amonsup.verbs.verb import Verb
from amonsup.wire.messages import Caller, Request

CONTROLS_OWN = ("status", "events", "show", "tree")
"""What the control process may ask for itself: to look."""

LOOKING = ("audit", "check")
"""Verbs that only look, whatever role they need."""

VIAS = ("chat", "form", "room")
LONGEST_ADDRESS = 3071


class Identity(msgspec.Struct, frozen=True):
    """Who is asking. `by` names them in records; `caller` is set for somebody from afar."""

    by: str
    via: str
    role: Role
    caller: Caller | None = None


class Access:
    """`call_at` arms the timer that tells of repeated refusals; nothing wakes up where there are none."""

    def __init__(self, desk: Desk, state_dir: str, call_at: Callable[[float, Callable[[], None]], Timer]) -> None:
        self.audit = Audit(state_dir)
        self.refusals = Refusals(self.audit, desk.now, call_at)
        self._desk = desk
        self._throttle = remote.Throttle()

    # -- who --

    def role_of_peer(self, peer: Peer) -> Role:
        """Of a connection to the public socket. Our own unprivileged processes are nobody there."""
        if peer.is_control:
            return Role.READER
        site = self._desk.applied().site
        is_theirs = peer.name in (site.user, site.log_user) and peer.uid not in (0, self._desk.own_uid)
        if is_theirs or self._desk.is_our_own(peer.pid):
            return Role.NONE
        return role_of(peer, site.access, self._desk.own_uid)

    def identify(self, peer: Peer, caller: Caller | None) -> Identity:
        if caller is not None and peer.is_control:
            bare = caller.jid.partition("/")[0].lower()
            role = remote.role_of(caller, self._desk.applied().site.xmpp)
            via = f"{caller.via} {caller.room}".rstrip()
            return Identity(bare, via, role, caller)
        return Identity(f"{peer.name} (uid {peer.uid})", LOCAL, self.role_of_peer(peer))

    # -- may they --

    def refusal(self, peer: Peer, request: Request, verb: Verb, who: Identity) -> Refusal | None:
        """Why the request is not even looked at, if so."""
        if peer.is_control and who.caller is None:
            return None if verb.name in CONTROLS_OWN else Refusal("forbidden", f"control may not {verb.name}")
        if who.caller is None:
            if request.caller:
                return Refusal("bad-request", "only the control process speaks for others")
            if who.role < verb.role:
                return Refusal("forbidden", _needs(verb, who, who.role, "roles are given in amonsup.yaml, access:"))
            return None
        if not _is_address(who.caller.jid) or not _is_address(who.caller.room) or who.caller.via not in VIAS:
            return Refusal("bad-request", "a caller is an address, and chat, form or room")
        if not self._throttle.admits(who.by, self._desk.now()):
            return Refusal("busy", f"too many requests; one in {1 / remote.PER_S:g} s is taken")
        if verb.role >= Role.OPERATOR and who.caller.age_s > remote.TOO_OLD_S:
            return Refusal("forbidden", f"{verb.name} is {who.caller.age_s:.0f} s old; it is not carried out")
        if who.role < verb.role:
            where = "roles are given in amonsup.yaml, xmpp.access:"
            return Refusal("forbidden", _needs(verb, who, who.role, where))
        if not _concerns_services(verb) and self._ceiling() < verb.role:
            return Refusal("forbidden", remote.beyond_the_site(verb.name, verb.role, self._ceiling()))
        return None

    def narrow(self, verb: Verb, who: Identity, args: Any) -> tuple[Any, tuple[str, ...]] | Refusal:
        """The arguments with only the services that this caller may do it to, and the names of the others."""
        if who.caller is None or not _concerns_services(verb):
            return args, ()
        if hasattr(args, "scales"):
            return self._narrow_scales(verb, who, args)
        field = "services" if hasattr(args, "services") else "service"
        words = getattr(args, field)
        names = select(self._desk, (words,) if field == "service" else words or ("all",))
        if isinstance(names, Refusal):
            return names
        specs = self._desk.fleet.specs
        allowed = [name for name in names if min(who.role, specs[name].remote) >= verb.role]
        refused = tuple(name for name in names if name not in allowed)
        if refused and not allowed:
            return Refusal("forbidden", remote.beyond_services(verb.name, verb.role, refused))
        if not names:
            return args, ()  # of what has no instance just now; no words would mean everybody
        if field == "service":
            if refused:
                text = remote.beyond_services(verb.name, verb.role, refused)
                return Refusal("forbidden", f"{text}; or name the others")
            return args, ()
        return msgspec.structs.replace(args, services=tuple(allowed)), refused

    def _narrow_scales(self, verb: Verb, who: Identity, args: Any) -> tuple[Any, tuple[str, ...]] | Refusal:
        """NAME=N concerns what instances are made of, also where there is none just now."""
        remotes = {spec.name: spec.remote for spec in self._desk.applied().fleet.services}
        wanted = [word.partition("=")[0] for word in args.scales]
        refused = [name for name in wanted if name in remotes and min(who.role, remotes[name]) < verb.role]
        if refused:
            return Refusal("forbidden", remote.beyond_services(verb.name, verb.role, refused))
        return args, ()

    def _ceiling(self) -> Role:
        xmpp = self._desk.applied().site.xmpp
        return xmpp.remote if xmpp is not None else Role.NONE

    # -- the audit log --

    def commanded(self, verb: Verb, who: Identity, call: Call) -> None:
        """Something that changes things is about to be done: on record before it is."""
        if _is_recorded(verb):
            self.audit.append(
                "command",
                who.by,
                rfc3339(time.time()),
                via=who.via,
                verb=verb.name,
                targets=command_words.targets(call.args),
                request=call.id,
                text=command_words.arguments(call.args),
            )

    def answered(self, call: Call, reply: object) -> None:
        """The end of what was no operation, or came to none: what was refused must not look like what was done."""
        verb = load(call.verb)
        if verb is not None and _is_recorded(verb):
            self._ended(call.by, call.verb, call.id, command_words.ending(reply))

    def finished(self, operation: Operation, *, is_ok: bool) -> None:
        outcomes = tuple(TargetOutcome(name, each.is_ok, each.text) for name, each in operation.outcomes.items())
        text = "ok" if is_ok else command_words.failed(outcomes)
        self._ended(operation.by, operation.verb, operation.id, text)

    def _ended(self, by: str, verb: str, request: str, text: str) -> None:
        self.audit.append("finished", by, rfc3339(time.time()), verb=verb, request=request, text=text)

    def refused(self, verb: str, who: Identity, request_id: str, refusal: Refusal) -> None:
        if refusal.code in ("forbidden", "busy"):
            self.refusals.add(who.by, who.via, verb[:40], refusal.text, request=request_id)

    def close(self) -> None:
        """What was counted of the minute that has begun is told."""
        self.refusals.tell()


def _is_recorded(verb: Verb) -> bool:
    return verb.role >= Role.OPERATOR and verb.name not in LOOKING


def _is_address(text: str) -> bool:
    """It goes into records: bounded (RFC 7622, section 3.1) and printable."""
    return len(text) <= LONGEST_ADDRESS and text.isprintable()


def _concerns_services(verb: Verb) -> bool:
    return not {"services", "service", "scales"}.isdisjoint(verb.arguments.__struct_fields__)


def _needs(verb: Verb, who: Identity, role: Role, where: str) -> str:
    name = who.by.partition(" (uid")[0]
    return f"{verb.name} needs the role {verb.role.name.lower()}, {name} has {role.name.lower()}; {where}"


def role_of(peer: Peer, access: tuple[AccessRule, ...], own_uid: int) -> Role:
    """root and the daemon's own user are admin; others have the highest role a rule gives them; default none."""
    if peer.uid in (0, own_uid):
        return Role.ADMIN
    roles = [
        rule.role
        for rule in access
        if (rule.user and rule.user in (peer.name, str(peer.uid))) or (rule.group and rule.group in peer.groups)
    ]
    return max(roles, default=Role.NONE)
