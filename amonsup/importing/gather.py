"""The whole import: paths -> files -> drafts by kind of source -> names -> YAML -> the parser's own opinion.

What comes out is only what `amonsup check` takes: each document goes through the real parser before anybody sees it.
What the parser says about this machine only (an account or a file that is not there) is a warning, because sources are
often read before they are at home.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from amonsup.config.errors import ConfigError, Findings
from amonsup.config.fields import Scope
from amonsup.config.fleet_checks import RESERVED, Ground, check
from amonsup.config.services import read_services
from amonsup.importing import kinds
from amonsup.importing.draft import REFUSED, Draft, fit_name
from amonsup.importing.machine import Machine, UnusableError, reason, shown_path
from amonsup.importing.writer import document
from amonsup.verbs.results import ImportedService, ImportResult

MAX_FILES = 5000
ABOUT_THIS_MACHINE = (
    "there is no user",
    "there is no group",
    "does not exist",
    "cannot be read",
    "not yet: ",
    "there is no service",
)


def import_all(paths: tuple[str, ...], machine: Machine, environ: Mapping[str, str]) -> ImportResult:
    """Every service that the paths hold. Never raises on what they say."""
    problems: list[str] = []
    files: dict[str, None] = {}
    for path in paths:
        for each in _files(path, machine, problems):
            files.setdefault(each)
    if len(files) > MAX_FILES:
        problems.append(f"more than {MAX_FILES} files: only the first are read")
    drafts: list[Draft] = []
    for kind, group in kinds.sort(machine, list(files)[:MAX_FILES], set(paths), problems).items():
        found, unread = kinds.KINDS[kind].gather(machine, group)
        drafts += found
        problems += unread
    _prefer_units(drafts)
    _name(drafts)
    warnings: list[str] = []
    services = tuple(_service(draft, environ, warnings) for draft in drafts)
    if not services and not problems:
        problems.append("nothing to import: no unit, init script or supervisord.conf is among the files")
    is_ok = not problems and all(each.outcome != REFUSED for each in services)
    shown = tuple(shown_path(each) for each in problems)
    return ImportResult(ok=is_ok, services=services, problems=shown, warnings=tuple(dict.fromkeys(warnings)))


def _files(path: str, machine: Machine, problems: list[str]) -> list[str]:
    """The files that a path stands for, as that machine calls them; a directory stands for what lies in it."""
    full = os.path.abspath(path)
    try:
        if os.path.isdir(full):
            names = sorted(name for name in os.listdir(full) if not name.startswith("."))
            return [
                machine.there(os.path.join(full, name)) for name in names if not os.path.isdir(os.path.join(full, name))
            ]
        if not os.path.lexists(full) and not kinds.is_instance(full):
            raise FileNotFoundError
    except (OSError, ValueError) as wrong:
        problems.append(f"{path}: {reason(wrong)}")
        return []
    return [machine.there(full)]


def _prefer_units(drafts: list[Draft]) -> None:
    """As systemd does: a unit counts, and an init script of its name does not."""
    units = {draft.name: draft for draft in drafts if draft.kind == "systemd" and not draft.reason}
    for draft in drafts:
        if draft.kind == "sysv" and not draft.reason and draft.name in units:
            draft.reason = f"the systemd unit of that name counts, which is imported too: {units[draft.name].source}"


def _name(drafts: list[Draft]) -> None:
    """Names are unique and not reserved; of two services of one name the second gets its kind behind it."""
    taken: set[str] = set(RESERVED)
    for draft in drafts:
        name, number = draft.name, 1
        while name in taken:
            name = fit_name(f"{draft.name[:50]}-{draft.kind if number == 1 else number}")
            number += 1
        draft.name = name
        taken |= {name, *draft.companions}


def _service(draft: Draft, environ: Mapping[str, str], warnings: list[str]) -> ImportedService:
    text = ""
    if not draft.reason:
        text = document(draft)
        errors = opinion(text, environ)
        for error in errors:
            if error.text.startswith(ABOUT_THIS_MACHINE) or any(each in error.text for each in ABOUT_THIS_MACHINE):
                warnings.append(f"{draft.name}: {error.path.removeprefix(f'services.{draft.name}.')}: {error.text}")
            else:
                draft.reason = (
                    f"what it says cannot stand in conf.d: {ConfigError('', 0, 0, error.path, error.text).render()}"
                )
                text = ""
                break
    return ImportedService(
        name=draft.name,
        kind=draft.kind,
        source=shown_path(draft.source),
        outcome=draft.outcome,
        reason=draft.reason,
        yaml=text,
        remarks=tuple(draft.remarks),
    )


def opinion(text: str, environ: Mapping[str, str]) -> list[ConfigError]:
    """What the parser finds wrong with a document, as root would read it."""
    findings = Findings()
    scope = Scope("", "/", environ, findings, is_trusting=True)
    drafts = read_services(text.encode(), scope)
    if drafts is not None:
        check(drafts, Ground(environ, 0, "", is_whole=False))
    return findings.errors()


def outcomes(result: ImportResult) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in result.services:
        counts[each.outcome] = counts.get(each.outcome, 0) + 1
    return counts


__all__ = ["UnusableError", "import_all", "opinion", "outcomes"]
