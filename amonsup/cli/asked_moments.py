"""Moments on a command line: meant in the zone of whoever types, so they are made absolute before anybody is asked."""

from __future__ import annotations

from typing import Any

from amonsup.cli.errors import WRONG_USE, CommandError
from amonsup.logbook import moments


def absolute(args: dict[str, Any]) -> dict[str, Any]:
    """`args` with `since` and `until` as RFC 3339, where they were given. Raises CommandError."""
    found = dict(args)
    now = moments.here()
    for name in ("since", "until"):
        if args.get(name):
            try:
                found[name] = moments.parse(args[name], now).isoformat()
            except (ValueError, OverflowError) as error:
                raise CommandError("bad-request", f"--{name}: {error}", WRONG_USE) from None
    return found
