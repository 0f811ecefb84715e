"""How `audit` reads."""

from __future__ import annotations

import pytest

from amonsup.cli.plain import render
from amonsup.verbs import audit
from amonsup.verbs.results import AuditEntry, AuditResult

AT = "2026-01-02T03:04:05.000Z"


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            AuditEntry(1, AT, "refused", "me (uid 7)", "local", "logs", text="logs needs the role reader"),
            "refused  me (uid 7) by local: logs: logs needs the role reader",
        ),
        (AuditEntry(1, AT, "command", "a@b", "chat", "restart", ("ce", "se")), "command  a@b by chat: restart ce se"),
        (
            AuditEntry(1, AT, "command", "root", "local", "signal", ("ce",), "r-1", "signal=HUP"),
            "command  root by local: signal ce: signal=HUP",
        ),
        (
            AuditEntry(1, AT, "finished", "root", verb="start", request="r-1", text="refused: there is no service"),
            "finished  root: start: refused: there is no service",
        ),
        (
            AuditEntry(1, AT, "refused", "others", text="more in the same minute: words 3", count=3),
            "refused  others: more in the same minute: words 3 (3 times)",
        ),
    ],
)
def test_who_did_what(entry: AuditEntry, line: str) -> None:
    assert render(audit.page(AuditResult((entry,), 1))).strip() == f"{AT}  {line}"
