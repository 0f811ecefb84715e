"""The vocabulary of `xmpp:` in amonsup.yaml, and what its keys must say together."""

from __future__ import annotations

import os
import stat
from typing import Any

import msgspec

from amonsup.config import files
from amonsup.config.errors import ConfigError, Findings, shown
from amonsup.config.fields import FilePath, Scope, Value, boolean, choice, filled_text, integer, name
from amonsup.config.keys import Key, ListOf, MapOf, OrWord, Record, Values, one_stands, table
from amonsup.config.roles import GIVEN_ROLES, ROLES, Role
from amonsup.config.strict_yaml import Mapping
from amonsup.config.xmpp_specs import Affiliation, Module, RemoteRule, Room, Session, Signature, XmppSpec

AFFILIATIONS = {"owner": Affiliation.OWNER, "admin": Affiliation.ADMIN, "member": Affiliation.MEMBER}
SIGNATURES = {each.value: each for each in Signature if each is not Signature.UNSTATED}
MODULES = ("alerts",)
"""What stands in control/modules; a test compares the two."""

LONGEST_PART = 1023  # bytes, RFC 7622, 3.1
_FORBIDDEN = set("\"&'/:<>@ ")


def _parse_jid(text: str) -> str:
    """NAME@DOMAIN, lower case (RFC 7622; only what occurs in practice is prepared)."""
    local, at, domain = text.partition("@")
    is_well = (
        at and local and not _FORBIDDEN & set(local) and local.isprintable() and len(local.encode()) <= LONGEST_PART
    )
    if not is_well:
        raise ValueError(f"{shown(text)} is not an address")
    return f"{local.lower()}@{_parse_domain(domain)}"


def _parse_domain(text: str) -> str:
    labels = text.removesuffix(".").lower().split(".")
    if not all(label and all(c.isalnum() or c in "-_" for c in label) for label in labels) or len(text) > LONGEST_PART:
        raise ValueError(f"{shown(text)} is not a domain")
    return ".".join(labels)


def _parse_proxy(text: str) -> str:
    host, _, port = text.removeprefix("http://").rstrip("/").rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{shown(text)} is not a proxy")
    return f"{host}:{port}"


JID = Value(_parse_jid, {"type": "string", "pattern": "^[^@/ ]+@[^@/ ]+$"}, "NAME@DOMAIN")
DOMAIN = Value(_parse_domain, {"type": "string"}, "a domain")
PROXY = Value(_parse_proxy, {"type": "string"}, "HOST:PORT of a proxy that knows CONNECT", expands=True)


def _or_null(key: str, meaning: Any, reader: Any, help_text: str, field: str = "") -> Key:
    return Key(key, OrWord("null", meaning, reader), help_text, "null", field)


def _named(build: Any, key: str = "name") -> Any:
    """A maker of records that still lack the name they stand under."""

    def make(**values: Any) -> Any:
        return build(**{key: ""}, **values)

    return make


_SESSION = Record(
    table(
        Key("jid", JID, "The account.", is_required=True),
        Key("password_file", FilePath(), "Its password, readable by the daemon's user alone.", is_required=True),
        _or_null("host", (), ListOf(filled_text(), also_single=True), "Servers, instead of what DNS says.", "hosts"),
        _or_null("port", (), ListOf(integer(1, 65535, expands=True), also_single=True), "Their ports (5222).", "ports"),
        _or_null("ca_file", "", FilePath(), "The only authority to believe, instead of the system's."),
        _or_null("proxy", "", PROXY, "An HTTP proxy that lets CONNECT through."),
    ),
    _named(Session),
)

_ROOM = Record(
    table(
        Key("session", name(), "The session that joins it; the first one if not said."),
        Key("nick", filled_text(), "The name in the room; the site's if not said."),
        Key("alerts", boolean(), "Whether alerts go there.", "false"),
    ),
    _named(Room, "jid"),
)

_ACCESS = Record(
    table(
        Key("jid", JID, "One account."),
        Key("domain", DOMAIN, "Everybody of a domain."),
        Key("room", JID, "Those in a room."),
        Key("affiliation", choice(AFFILIATIONS), "With at least this affiliation.", "member"),
        Key("role", choice(GIVEN_ROLES), "What they may do.", is_required=True),
        Key("alerts", boolean(), "Whether they get alerts directly.", "false"),
    ),
    RemoteRule,
    one_stands("jid", "domain", "room"),
)

_MODULE = Record(
    table(
        Key("use", choice({each: each for each in MODULES}), "Which module.", is_required=True),
        Key("name", name(), "What this instance is called.", is_required=True),
        Key("session", name(), "The session it speaks over; the first one if not said."),
    ),
    Module,
)


def _build(**values: Any) -> XmppSpec:
    """Names from their keys, and defaults that depend on other keys, filled in."""
    sessions = tuple(msgspec.structs.replace(each, name=key) for key, each in values.pop("sessions", ()))
    first = sessions[0].name if sessions else ""

    def with_session(each: Any, **known: str) -> Any:
        return msgspec.structs.replace(each, session=each.session or first, **known)

    rooms = tuple(with_session(each, jid=key) for key, each in values.pop("rooms", ()))
    modules = tuple(with_session(each) for each in values.pop("modules", ()))
    return XmppSpec(sessions=sessions, rooms=rooms, modules=modules, **values)


def _check(values: Values, mapping: Mapping, path: str, scope: Scope) -> None:
    sessions = dict(values.get("sessions", ()))
    if not sessions and "sessions" not in mapping.entries:
        scope.report(mapping, path, "no account", "sessions: {NAME: {jid: …, password_file: …}}")
    _note_places(mapping, path, scope)
    known = list(sessions)
    for key in ("rooms", "modules"):
        for each in values.get(key, ()):
            found = each[1] if key == "rooms" else each
            if found.session and found.session not in sessions:
                place = mapping.entries[key][0]
                says = f"there is no session {shown(found.session)}"
                scope.report(place, f"{path}.{key}", says, ", ".join(known), scope.hint(found.session, known))
    names = [each.name for each in values.get("modules", ())]
    for twice in sorted({each for each in names if names.count(each) > 1}):
        scope.report(mapping.entries["modules"][0], f"{path}.modules", f"two instances are called {shown(twice)}")
    _check_signature(values, mapping, path, scope)


def _note_places(mapping: Mapping, path: str, scope: Scope) -> None:
    """Where the files are named that `check_files` looks at, when only the spec is left."""
    sessions = mapping.get("sessions")
    for session, (_, body) in sessions.entries.items() if type(sessions) is Mapping else ():
        for key in ("password_file", "ca_file"):
            node = body.get(key) if type(body) is Mapping else None
            if node is not None:
                scope.findings.places[f"{path}.sessions.{session}.{key}"] = (node.line, node.column)


def _check_signature(values: Values, mapping: Mapping, path: str, scope: Scope) -> None:
    """Whoever lets people from afar change something says in so many words whether that must be signed."""
    stated = values.get("require_signature", Signature.UNSTATED)
    key = f"{path}.require_signature"
    if stated in (Signature.OPERATOR, Signature.ADMIN):
        place = mapping.entries["require_signature"][1]
        scope.report(place, key, "not yet: requests cannot be signed in this version", "none")
    elif stated is Signature.UNSTATED and any(rule.role >= Role.OPERATOR for rule in values.get("access", ())):
        says = "must be stated, because an entry of access grants operator or more"
        scope.report(mapping, key, says, "none: the XMPP server is trusted to say who is calling")


XMPP = Record(
    table(
        Key("sessions", MapOf(name(), _SESSION), "Accounts."),
        Key("rooms", MapOf(JID, _ROOM), "Rooms to be in."),
        Key("sites", MapOf(name(), JID), "Addresses of sites that are not in the own domain."),
        Key("remote", choice(ROLES), "Ceiling for verbs that concern no single service.", "operator"),
        Key("require_signature", choice(SIGNATURES), "From which role on requests must be signed."),
        Key("allowed_signers", FilePath(), "Who signs with which key (OpenSSH format)."),
        Key("revoked_keys", FilePath(), "Keys that are no longer good."),
        Key("access", ListOf(_ACCESS), "Who may do what from afar."),
        Key("modules", ListOf(_MODULE), "Features that speak by themselves."),
    ),
    _build,
    _check,
)


def password_objection(path: str, euid: int) -> str:
    """Why a password file cannot be used; empty if it can. It must be the daemon's own and nobody else's to read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as wrong:
        if isinstance(wrong, PermissionError) and os.geteuid() not in (0, euid):
            return ""  # somebody else checks the file of a daemon that can read it
        says = f"{shown(path)}: {wrong.strerror}"
        if isinstance(wrong, FileNotFoundError):
            says += "; remedy: a file with the account's password, of the daemon's user, mode 600"
        return says
    try:
        return files.exposure(os.fstat(fd), path, euid)
    finally:
        os.close(fd)


def _authority_objection(path: str, euid: int) -> str:
    """Why it can be no `ca_file`; empty if it may be one. Whether there is a certificate in it control sees."""
    try:
        mode = os.stat(path).st_mode
    except OSError as wrong:
        if isinstance(wrong, PermissionError) and os.geteuid() not in (0, euid):
            return ""
        return f"{shown(path)}: {wrong.strerror}"
    return "" if stat.S_ISREG(mode) else f"{shown(path)} is not a file"


def check_files(spec: XmppSpec, file: str, findings: Findings, euid: int) -> None:
    """What the files say that `xmpp:` names. Not for a client that only looks for the socket."""
    for session in spec.sessions:
        key = f"xmpp.sessions.{session.name}.password_file"
        objection = password_objection(session.password_file, euid)
        if objection:
            findings.add(ConfigError(file, *findings.places.get(key, (0, 0)), key, objection))
        key = f"xmpp.sessions.{session.name}.ca_file"
        objection = _authority_objection(session.ca_file, euid) if session.ca_file else ""
        if objection:
            remedy = "a file of certificates (PEM); without ca_file the system's authorities are believed"
            findings.add(ConfigError(file, *findings.places.get(key, (0, 0)), key, objection, remedy))
