"""amonsupd with a few things done differently: how a scenario gets at moments that cannot be met from outside.

Started in place of amonsupd, with AMONSUP_TEST_PATCHES naming a file. It starts every further process of the daemon
through itself, and before one begins, calls the function of that file that is named like its role (`guardian`,
`supervisor`, `logger`), with the options of the process. Production code knows nothing of it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from typing import Any


def redirect(patches: str) -> None:
    """Every process of ours from here on is started through this file."""
    from amonsup import boot

    original = boot.command_line

    def command_line(role: str, options: dict[str, Any]) -> list[str]:
        argv = original(role, {**options, "patches": patches})
        argv[argv.index(os.path.abspath(boot.__file__))] = os.path.abspath(__file__)
        return argv

    boot.command_line = command_line


def apply(patches: str, role: str, options: dict[str, Any]) -> None:
    spec = importlib.util.spec_from_file_location("patches", patches)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    patch = getattr(module, role, None)
    if patch is not None:
        patch(options)


def main() -> int:
    if "AMONSUP_TEST_PATCHES" in os.environ and sys.argv[1] == "-c":
        from amonsup.supervisor import entry

        redirect(os.environ["AMONSUP_TEST_PATCHES"])
        return entry.main()
    role, options = sys.argv[1], json.loads(sys.argv[2])
    sys.path[0:1] = options["paths"]
    from amonsup import boot

    redirect(options["patches"])
    apply(options["patches"], role, options)
    return boot.main()


if __name__ == "__main__":
    sys.exit(main())
