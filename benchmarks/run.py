#!/usr/bin/env python3
"""amonsup and its peers side by side, in the same run.

python benchmarks/run.py [NAME…] [--samples N] [--quick] [--json FILE] [--peers A,B] [--sh]
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from benches import BENCHES
from lab import Lab, LabError
from report import Table, failures, machine, machine_line
from settings import QUICK, Settings


def arguments(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    names = "\n".join(f"  {name:<11} {what}" for name, (_, what) in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="benchmarks/run.py",
        description=f"Benchmarks of amonsup and its peers (default: all):\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--samples", type=int, help="samples of crash and status (20), kills of successor (50)")
    parser.add_argument("--runs", type=int, help="runs of cold (5)")
    parser.add_argument("--quick", action="store_true", help="very few of everything: does it work at all?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--peers", default="", metavar="A,B", help="only these: floor, amonsup, runit, s6, supervisord")
    parser.add_argument("--sh", action="store_true", help="runit and s6 with the customary #!/bin/sh run script")
    chosen = parser.parse_args(argv)
    unknown = [name for name in chosen.names if name not in BENCHES]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    return chosen


def settings_from(chosen: argparse.Namespace) -> Settings:
    """What the command line asks for."""
    settings = QUICK if chosen.quick else Settings()
    if chosen.samples:
        settings = replace(settings, samples=chosen.samples, successor_kills=chosen.samples)
    if chosen.runs:
        settings = replace(settings, cold_runs=chosen.runs)
    only = tuple(name for name in chosen.peers.split(",") if name)
    return replace(settings, only=only, use_shell=chosen.sh)


def measure(names: list[str], settings: Settings, tables: list[Table]) -> None:
    """Run the benchmarks, each table printed as soon as it is there."""
    with Lab() as lab:
        for name in names:
            print(f"\n== {name}: {BENCHES[name][1]}", flush=True)
            for table in BENCHES[name][0](lab, settings):
                tables.append(table)
                table.print()
                sys.stdout.flush()


def main(argv: list[str]) -> int:
    """0: every target met; 1: a target missed; 2: nothing could be measured; 130: interrupted."""
    chosen = arguments(argv)
    facts = machine()
    print(machine_line(facts))
    tables: list[Table] = []
    status = 0
    try:
        measure(chosen.names or list(BENCHES), settings_from(chosen), tables)
    except KeyboardInterrupt:
        print("\ninterrupted; everything that was started is stopped", file=sys.stderr)
        status = 130
    except LabError as error:
        print(f"\n{error}", file=sys.stderr)
        status = 2
    if chosen.json:
        document = {"machine": facts, "quick": chosen.quick, "tables": [table.document() for table in tables]}
        chosen.json.write_text(json.dumps(document, indent=1) + "\n")
    return status or int(failures(tables))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
