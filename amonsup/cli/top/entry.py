"""From the command line to the page and back to the shell, the terminal as it was."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping

from amonsup.cli.errors import DONE, WRONG_USE, CommandError
from amonsup.cli.output import Output


def run(path: str, environ: Mapping[str, str], output: Output) -> int:
    """The exit status. Raises CommandError where there is no terminal, no daemon, or no role."""
    if not output.redraws or not os.isatty(0):
        raise CommandError("usage", "top needs a terminal", WRONG_USE, "amonsup status --watch does without")
    if sys.modules.get("typing_extensions", sys) is None:
        del sys.modules["typing_extensions"]  # kept away from the light verbs (boot.py); textual wants it
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)  # exported by some shells; the terminal itself knows when it changes
    from amonsup.cli.top.app import Top

    gc.enable()
    app = Top(path, environ)
    app.run(mouse=False)
    if app.why is not None:
        raise app.why
    return DONE
