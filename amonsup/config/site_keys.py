"""The vocabulary of amonsup.yaml, once (`xmpp:` in xmpp_keys.py)."""

from __future__ import annotations

from typing import Any

from amonsup.config import not_yet
from amonsup.config.fields import FilePath, choice, filled_text, name
from amonsup.config.keys import Key, ListOf, Record, Table, Values, one_stands, table
from amonsup.config.roles import GIVEN_ROLES
from amonsup.config.specs import AccessRule
from amonsup.config.xmpp_keys import XMPP

ACCESS = Record(
    table(
        Key("user", filled_text(), "A unix user."),
        Key("group", filled_text(), "A unix group."),
        Key("role", choice(GIVEN_ROLES), "What they may do.", is_required=True),
    ),
    AccessRule,
    one_stands("user", "group"),
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
