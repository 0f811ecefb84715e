"""amonsup's own processes: what they are called, and what to say to who takes one for a service.

They stand in `status --all` beside the services, so people try the verbs of services on them.
"""

from __future__ import annotations

NAMES = frozenset({"guardian", "supervisor", "logger", "control", "prober"})


_NEEDED_FOR = {"control": "`xmpp:` in amonsup.yaml", "prober": "a healthcheck with http: or tcp:"}


def not_here(name: str) -> str:
    """Why there is nothing to be seen of it."""
    needed_for = _NEEDED_FOR.get(name)
    return f"{name} does not run here" + (f": it is needed for {needed_for} only" if needed_for else "")


def no_service(name: str) -> str:
    """Why nothing is done, and what can be done."""
    return (
        f"{name} is one of amonsup's own processes, no service: it is kept up without being asked, and speaks on "
        "amonsupd's stderr; `status` and `show` tell about it, `upgrade` replaces all of them, `shutdown` ends them"
    )
