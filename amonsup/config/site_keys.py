"""The vocabulary of amonsup.yaml, once; `xmpp:` is typed here although nothing in this version uses it."""

from __future__ import annotations

from typing import Any

from amonsup.config import not_yet
from amonsup.config.fields import (
    FilePath,
    Scope,
    boolean,
    choice,
    filled_text,
    integer,
    name,
    one_of,
    pattern,
    text,
)
from amonsup.config.keys import Key, ListOf, MapOf, OrWord, Record, Table, Values, table
from amonsup.config.specs import AccessRule, Role
from amonsup.config.strict_yaml import Mapping

ROLES = {role.name.lower(): role for role in Role}
GIVEN_ROLES = {word: role for word, role in ROLES.items() if role is not Role.NONE}
JID = pattern(r"[^@/\s]+@[^@/\s]+", "an address", "NAME@DOMAIN")


def one_stands(*kinds: str) -> Any:
    """A check that exactly one of some keys stands in a record."""

    def check(_values: Values, mapping: Mapping, path: str, scope: Scope) -> None:
        present = [key for key in kinds if key in mapping.entries]
        if not present:
            scope.report(mapping, path, "says nobody", f"one of {', '.join(kinds)}")
        elif len(present) > 1:
            place = mapping.entries[present[1]][0]
            scope.report(place, f"{path}.{present[1]}", f"stands beside '{present[0]}'", f"one of {', '.join(kinds)}")

    return check


ACCESS = Record(
    table(
        Key("user", filled_text(), "A unix user."),
        Key("group", filled_text(), "A unix group."),
        Key("role", choice(GIVEN_ROLES), "What they may do.", is_required=True),
    ),
    AccessRule,
    one_stands("user", "group"),
)


def _or_null(key: str, reader: Any, help_text: str) -> Key:
    return Key(key, OrWord("null", None, reader), help_text, "null")


_SESSION = Record(
    table(
        Key("jid", JID, "The account.", is_required=True),
        Key("password_file", FilePath(), "Its password."),
        _or_null(
            "host",
            ListOf(filled_text(), also_single=True),
            "Servers tried in turn, instead of the domain's own.",
        ),
        _or_null("port", ListOf(integer(1, 65535), also_single=True), "Their ports."),
        _or_null("ca_file", FilePath(), "Certificates to trust, instead of the system's."),
        _or_null("proxy", text(), "A proxy."),
    ),
    dict,
)

_ROOM = Record(
    table(
        Key("session", name(), "The session that joins it."),
        Key("nick", filled_text(), "The name in the room."),
        Key("alerts", boolean(), "Whether alerts go there.", "false"),
    ),
    dict,
)

_REMOTE_ACCESS = Record(
    table(
        Key("jid", JID, "One account."),
        Key("domain", filled_text(), "Everybody of a domain."),
        Key("room", JID, "Those in a room."),
        Key("affiliation", one_of("owner", "admin", "member"), "With at least this affiliation."),
        Key("role", choice(GIVEN_ROLES), "What they may do.", is_required=True),
        Key("alerts", boolean(), "Whether they get alerts.", "false"),
    ),
    dict,
    one_stands("jid", "domain", "room"),
)

XMPP = Record(
    table(
        Key("sessions", MapOf(name(), _SESSION), "Accounts."),
        Key("rooms", MapOf(JID, _ROOM), "Rooms."),
        Key("sites", MapOf(name(), JID), "Addresses of sites that are not in the own domain."),
        Key("remote", choice(ROLES), "Ceiling for verbs that concern no single service.", "operator"),
        Key(
            "require_signature",
            one_of("none", "operator", "admin"),
            "From which role on requests must be signed.",
        ),
        Key("allowed_signers", FilePath(), "Who signs with which key (OpenSSH format)."),
        Key("revoked_keys", FilePath(), "Keys that are no longer good."),
        Key("access", ListOf(_REMOTE_ACCESS), "Who may do what from afar."),
    ),
    dict,
)

SITE: Table = table(
    Key("site", name(), "What this site is called."),
    Key("conf_d", FilePath(), "The directory whose *.yaml say what runs.", "conf.d"),
    Key("run_dir", FilePath(), "What a restart of the machine clears: sockets, FIFOs."),
    Key("state_dir", FilePath(), "What survives a restart of the machine."),
    Key("log_dir", FilePath(), "Where services' output goes."),
    Key("socket", filled_text(expands=True), "The control socket, in run_dir.", "amonsup.sock"),
    Key("user", filled_text(expands=True), "Whom control and prober run as (root only)."),
    Key("log_user", filled_text(expands=True), "Whom the logger runs as (root only)."),
    Key("tags", ListOf(name()), "The site's own tags."),
    Key("access", ListOf(ACCESS), "Local roles by unix user or group."),
    Key("xmpp", XMPP, "The control plane."),
)


def _fields(**values: Any) -> Values:
    return values


SITE_RECORD = Record(SITE, _fields, None, not_yet.SITE)
