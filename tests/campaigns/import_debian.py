"""`amonsup import` over every systemd unit and init script of many Debian packages: what is carried, what is left out.

Not a test of `make test`: it needs Debian's package mirror. Packages are downloaded (`apt-get download`) and
unpacked, never installed; nothing of them is run. Each package is imported as a machine of its own (--root), every
service, timer, socket and init script it has; each document that comes out goes through the parser that `amonsup
check` uses, with the accounts taken as made. `python tests/campaigns/import_debian.py DIRECTORY [PACKAGE…]` prints
the figures as Markdown; a second run with the same directory downloads nothing.
"""

from __future__ import annotations

import collections
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from amonsup.importing.gather import import_all, opinion
from amonsup.importing.machine import Machine
from amonsup.verbs.results import ImportedService

PLACES = ("lib/systemd/system", "usr/lib/systemd/system", "etc/systemd/system", "etc/init.d", "etc/supervisor")
PACKAGES = (Path(__file__).with_name("packages.txt")).read_text().split()
FIGURES = ("exact", "reduced", "approximated", "refused")
LISTED = 40


def main() -> int:
    directory = Path(sys.argv[1])
    packages = sys.argv[2:] or PACKAGES
    roots = [root for name in packages if (root := unpacked(directory, name)) is not None]
    found = [(root.name, service) for root in roots for service in imported(root)]
    wrong = [(package, service.name, error) for package, service in found for error in complaints(service)]
    report(roots, found)
    for package, name, error in wrong:
        print(f"NOT ACCEPTED: {package}: {name}: {error}")
    return 1 if wrong else 0


def unpacked(directory: Path, package: str) -> Path | None:
    """The root of an unpacked package that has units or init scripts."""
    root = directory / "roots" / package
    if not root.is_dir():
        (directory / "debs").mkdir(parents=True, exist_ok=True)
        archives = list((directory / "debs").glob(f"{package}_*.deb"))
        if not archives:
            subprocess.run(
                ["apt-get", "download", "-q", package], cwd=directory / "debs", check=False, capture_output=True
            )
            archives = list((directory / "debs").glob(f"{package}_*.deb"))
        if not archives:
            print(f"{package}: cannot be downloaded", file=sys.stderr)
            return None
        root.mkdir(parents=True)
        subprocess.run(["dpkg-deb", "-x", archives[0], root], check=True)
    return root if any(sources(root)) else None


def sources(root: Path) -> list[str]:
    """The directories to import, and an instance of every template."""
    found = [str(root / place) for place in PLACES if (root / place).is_dir()]
    for place in PLACES[:3]:
        for template in sorted((root / place).glob("*@.service")):
            found.append(str(template).replace("@.service", "@one.service"))
    return found


def imported(root: Path) -> list[ImportedService]:
    """Units and init scripts apart: together, a unit would count and the script of its name would not."""
    scripts = [each for each in sources(root) if each.endswith("init.d")]
    found: list[ImportedService] = []
    for paths in (scripts, [each for each in sources(root) if each not in scripts]):
        if not paths:
            continue
        result = import_all(tuple(paths), Machine(str(root)), {})
        found += result.services
        for problem in result.problems:
            print(f"{root.name}: {problem}", file=sys.stderr)
    return found


def complaints(service: ImportedService) -> list[str]:
    """What the parser says against a document, but that accounts and files of another machine are not here."""
    about = ("not yet: ", "there is no user", "there is no group", "does not exist", "cannot be read")
    errors = [error.render() for error in (opinion(service.yaml, {}) if service.yaml else [])]
    return [error for error in errors if not any(each in error for each in about)]


def report(roots: list[Path], found: list[tuple[str, ImportedService]]) -> None:
    print(f"{len(roots)} packages with {len(found)} sources\n")
    print("| kind | found | " + " | ".join(FIGURES) + " |\n|---|---|" + "---|" * len(FIGURES))
    kinds = sorted({service.kind for _, service in found})
    for kind in [*kinds, "together"]:
        of_kind = [service for _, service in found if kind in (service.kind, "together")]
        counts = [sum(each.outcome == figure for each in of_kind) for figure in FIGURES]
        shares = [f"{count} ({100 * count / max(1, len(of_kind)):.0f} %)" for count in counts]
        print(f"| {kind} | {len(of_kind)} | " + " | ".join(shares) + " |")
    reasons = collections.Counter(shape(service.reason) for _, service in found if service.reason)
    listed("why refused", reasons)
    for fate in ("left out", "approximated"):
        listed(
            fate,
            collections.Counter(
                (directive(remark.what) if service.kind == "systemd" else f"{service.kind}: {remark.how[:60]}")
                for _, service in found
                for remark in service.remarks
                if remark.fate == fate and not service.reason
            ),
        )


def shape(reason: str) -> str:
    """A reason without what is peculiar to one service."""
    return re.sub(r"\(line \d+\)|\d+|/\S+", "…", reason.partition("; it runs")[0].partition(":")[0])[:110]


def directive(what: str) -> str:
    key, _, value = what.partition("=")
    return (
        f"{key} (unit not imported)"
        if key in ("After", "Before", "Wants", "Requires", "PartOf", "BindsTo") and value
        else key[:40]
    )


def listed(title: str, counts: collections.Counter[str]) -> None:
    print(f"\n{title}\n")
    for what, count in counts.most_common(LISTED):
        print(f"  {count:5}  {what}")


if __name__ == "__main__":
    sys.exit(main())
