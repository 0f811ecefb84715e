"""How one of our processes becomes another: run by path, without `site`, in a bare interpreter.

    python -I -S boot.py ROLE OPTIONS

OPTIONS is one JSON object. `paths` in it are put in front of sys.path, because without `site` (which would cost each
process a megabyte and some milliseconds at the moment when it is to take over) nothing of a virtual environment is
found. The whole command line also is what tells a process of ours from a child that has not reached exec yet.
"""

from __future__ import annotations

import json
import os
import sys

ROLES = (
    "guardian",
    "supervisor",
    "logger",
    "compressor",
    "reader",
    "prober",
    "control",
    "audit",
    "config",
    "probe",
    "attendant",
)

UNDUMPABLE = ("logger", "control", "prober", "reader", "attendant")
"""What has a user of its own, or a service's, and holds what others of that user need not see. A service that traces
its attendant before this is done gains nothing that it has not itself; see supervisor/hearsay.py."""


def command_line(role: str, options: dict[str, object]) -> list[str]:
    """The argv that starts `role`; `options` must be JSON-able and is completed with `paths`."""
    complete = {**options, "paths": _paths()}
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), role, json.dumps(complete)]


def _paths() -> list[str]:
    """Where amonsup itself and its few libraries lie, as this process found them."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    libraries = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    return [package, *libraries]


def travel_light() -> None:
    """Before msgspec is imported: it would import typing_extensions, if there, for something we have no use for.

    With it come inspect and ast: 1.3 MB in a process that stays, 14 ms in one that somebody waits for.
    """
    if "msgspec" not in sys.modules:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]


def main() -> int:
    role, options = sys.argv[1], json.loads(sys.argv[2])
    # The directory of this file is sys.path[0]: its modules must not shadow top-level ones.
    sys.path[0:1] = options["paths"]
    travel_light()
    if role in UNDUMPABLE:
        from amonsup.supervisor.adapters import prctl

        prctl.forbid_dumps()
    if role == "guardian":
        from amonsup.supervisor import guardian

        return guardian.main(options)
    if role == "supervisor":
        from amonsup.supervisor import daemon

        return daemon.main(options)
    if role == "logger":
        from amonsup.logs import logger

        return logger.main(options)
    if role == "compressor":
        from amonsup.logs import compressor

        return compressor.main()
    if role == "reader":
        from amonsup.logs import reader

        return reader.main(options)
    if role == "control":
        from amonsup.control.main import main as control

        return control(options)
    if role == "prober":
        from amonsup.prober import prober

        return prober.main(options)
    if role == "attendant":
        from amonsup.logs import attendant

        return attendant.main(options)
    if role == "audit":
        from amonsup.supervisor.adapters import audit

        return audit.main(options)
    if role == "config":
        from amonsup.config import helper

        return helper.main(options["arguments"])
    return probe(options)


def probe(options: dict[str, str]) -> int:
    """Load everything an upgrade would start, read what it would go on from, and say which version it is.

    Run before the old version lets go. What does not work is the last line of stdout.
    """
    try:
        objection, version = _tried(options)
    except Exception as error:  # noqa: BLE001 - boundary: whatever is wrong with it, it is not installed as it should be
        objection, version = " ".join(f"{type(error).__name__}: {error}".split()), ""
    sys.stdout.write((objection or version) + "\n")
    return 1 if objection else 0


def _tried(options: dict[str, str]) -> tuple[str, str]:
    """What speaks against this version, and which one it is. Raises whatever its modules do."""
    import amonsup
    from amonsup.config import helper  # noqa: F401
    from amonsup.logs import compressor, logger, reader  # noqa: F401
    from amonsup.prober import prober  # noqa: F401
    from amonsup.supervisor import daemon, guardian, trial  # noqa: F401

    if options.get("site_speaks_xmpp"):  # who steers the site from afar would be cut off
        from amonsup.control import main  # noqa: F401

    return trial.objection(options["state_dir"], options["run_dir"]), amonsup.__version__


if __name__ == "__main__":
    sys.exit(main())
