"""`amonsup import`: the report to a person, the YAML to stdout or into files, never over a file that is there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any

import msgspec

from amonsup.cli.errors import DONE, FAILED, WRONG_USE, CommandError
from amonsup.cli.output import Output
from amonsup.verbs import load
from amonsup.verbs.results import ImportedService, ImportResult

LOSSES = ("approximated", "left out")


def run(args: dict[str, Any], environ: Mapping[str, str], output: Output) -> int:
    from amonsup.importing.gather import import_all
    from amonsup.importing.machine import Machine

    root = args.get("root", "")
    if root and not os.path.isdir(root):
        raise CommandError("usage", f"--root {root}: is not a directory", WRONG_USE)
    result = import_all(tuple(args["paths"]), Machine(root), environ)
    directory = args.get("output", "")
    if directory:
        result = _written(result, directory, is_forced=args.get("force", False))
    if output.is_json:
        output.document(result)
        return DONE if result.ok else FAILED
    verb = load("import")
    assert verb is not None
    page = verb.page(result if args.get("all", False) else _brief(result))
    if directory:
        output.page(page)
    else:
        output.aside(page)
        output.text("\n".join(service.yaml for service in _as_one(result)))
    return DONE if result.ok else FAILED


def _brief(result: ImportResult) -> ImportResult:
    """Without what was carried: a person wants to see the rest."""
    services = (
        msgspec.structs.replace(each, remarks=tuple(remark for remark in each.remarks if remark.fate in LOSSES))
        for each in result.services
    )
    return msgspec.structs.replace(result, services=tuple(services))


def _as_one(result: ImportResult) -> list[ImportedService]:
    """The documents as one: `services:` may stand only once in a file."""
    found, is_first = [], True
    for service in result.services:
        if service.yaml:
            text = service.yaml if is_first else service.yaml.replace("\nservices:\n", "\n", 1)
            found.append(msgspec.structs.replace(service, yaml=text))
            is_first = False
    return found


def _written(result: ImportResult, directory: str, *, is_forced: bool) -> ImportResult:
    """NAME.yaml for each; what is there already stays, unless forced."""
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as wrong:
        raise CommandError("output", f"{directory}: cannot be made: {wrong.strerror}", FAILED) from None
    services, written, problems = [], [], list(result.problems)
    for service in result.services:
        path = os.path.join(directory, f"{service.name}.yaml")
        if not service.yaml:
            services.append(service)
            continue
        try:
            _write(path, service.yaml, is_forced=is_forced)
        except FileExistsError:
            problems.append(f"{path}: is there already and stays as it is; --force overwrites it")
            services.append(service)
        except OSError as wrong:
            problems.append(f"{path}: cannot be written: {wrong.strerror}")
            services.append(service)
        else:
            written.append(path)
            services.append(msgspec.structs.replace(service, file=path))
    return msgspec.structs.replace(
        result,
        ok=result.ok and not problems,
        services=tuple(services),
        problems=tuple(problems),
        written=tuple(written),
    )


def _write(path: str, text: str, *, is_forced: bool) -> None:
    """Whole or not at all; only its owner may write it, as the daemon asks for."""
    descriptor, temporary = tempfile.mkstemp(prefix=".import-", dir=os.path.dirname(path) or ".")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)
            file.flush()
            os.fsync(file.fileno())
        if is_forced:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)
            os.unlink(temporary)
    except BaseException:
        os.unlink(temporary)
        raise
