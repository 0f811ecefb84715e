"""How the outcome of a command reads; shared by all verbs that change something."""

from __future__ import annotations

from amonsup.verbs.page import Cell, Page, Tone, line
from amonsup.verbs.results import OperationResult

_DONE = {
    "start": "started",
    "stop": "stopped",
    "restart": "restarted",
    "reload": "reloaded",
    "signal": "signalled",
    "rotate": "rotated",
    "reopen": "reopened",
    "enable": "enabled",
    "disable": "disabled",
    "reset": "reset",
    "scale": "ok",
    "hold": "held",
    "release": "released",
    "shutdown": "stopped",
}


def page(result: OperationResult) -> Page:
    done = _DONE.get(result.verb, "done")
    blocks: Page = []
    for outcome in result.results:
        says = f": {outcome.text}" if outcome.text else ""
        word = Cell(done, Tone.GOOD) if outcome.ok else Cell("failed", Tone.BAD)
        if outcome.ok and result.verb == "scale" and outcome.text:
            word, says = Cell(outcome.text, Tone.GOOD), ""  # each met with something else
        blocks.append(line(Cell(outcome.name, Tone.STRONG), ": ", word, says))
    if result.note or not blocks:
        nothing = "amonsupd has stopped" if result.verb == "shutdown" else "nothing to do"
        blocks.append(line(result.note or nothing))
    return blocks
