"""The entry of the amonsup command; everything else is imported behind it.

A life of some milliseconds leaves nothing to collect, and without collections the imports, which are nearly
all of it, take a tenth less. What lives longer (`events -f`) turns the collector on again.
"""

from __future__ import annotations

import gc
import sys

from amonsup import boot


def main(argv: list[str] | None = None) -> int:
    """The console script."""
    gc.disable()
    boot.travel_light()
    try:
        from amonsup.cli import command

        return command.run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:  # before anything was asked
        return 130
    finally:
        gc.enable()


if __name__ == "__main__":
    sys.exit(main())
