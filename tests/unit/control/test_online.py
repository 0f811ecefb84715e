"""control/online.py: what is said of a clock and of a certificate, without a server."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from amonsup.config.xmpp_specs import Session
from amonsup.control import online
from amonsup.control.xmpp import stanzas

SPEC = Session(name="main", jid="gsi@example.org", password_file="/pw")


class Server:
    """Tells this time."""

    def __init__(self, stamp: str) -> None:
        self._stamp = stamp

    async def ask(self, _to: str, _namespace: str, _tag: str) -> Element:
        answer = stanzas.iq("result", "", "1")
        told = stanzas.element(stanzas.TIME, "time", answer)
        stanzas.element(stanzas.TIME, "utc", told, self._stamp)
        return answer


def stamp(off_s: float) -> str:
    return datetime.fromtimestamp(time.time() + off_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("told", "ok", "says"),
    [
        (0, True, "within"),
        (-3600, False, "s ahead of the server's"),
        (3600, False, "s behind the server's"),
        ("yesterday", None, "does not tell its time"),
        ("", None, "does not tell its time"),
    ],
)
def test_a_clock(told: str | int, ok: bool | None, says: str) -> None:
    """A number is a clock that is so many seconds off."""
    trial = online.Trial(SPEC, (), "gsi", "secret", "")
    server: Any = Server(told if isinstance(told, str) else stamp(told))
    asyncio.run(trial._clock(server))
    (row,) = trial.rows
    assert (row.session, row.step, row.ok) == ("main", "clock", ok)
    assert says in row.text


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("certificate has expired", "renew it on the server"),
        ("certificate is not yet valid", "clock right"),
        ("Hostname mismatch, certificate is not valid for 'example.org'.", "name the domain"),
        ("self-signed certificate in certificate chain", "ca_file:"),
        ("unable to get local issuer certificate", "ca_file:"),
        ("something new", "something new"),
    ],
)
def test_a_certificate(reason: str, remedy: str) -> None:
    error = Exception()
    error.verify_message = reason  # type: ignore[attr-defined]
    assert remedy in online.certificate_words(error)
