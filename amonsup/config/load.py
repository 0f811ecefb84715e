"""The one door: from the name of an amonsup.yaml to all that it means, or to all that is wrong with it.

`load` reads amonsup.yaml, every *.yaml of conf.d in name order, and the env_files they name, and goes on
after each mistake, so one run shows them all. The fingerprint is of the very bytes that were parsed;
`fingerprint` works it out for a directory without parsing anything, which is how `status` can tell cheaply
that conf.d has changed since.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from amonsup.config import files
from amonsup.config.errors import ConfigError, Findings, printable
from amonsup.config.fields import Scope
from amonsup.config.fingerprints import digest, fingerprint, of_file
from amonsup.config.fleet_checks import Ground, check
from amonsup.config.services import Draft, read_services
from amonsup.config.site import default_site, find_config_file, load_site, read_site
from amonsup.config.specs import Fleet, Loaded
from amonsup.config.units import printless
from amonsup.config.xmpp_keys import check_files

__all__ = ["Checked", "ConfigError", "check_file", "find_config_file", "fingerprint", "load", "load_site"]


class Checked(msgspec.Struct, frozen=True):
    """Services that were checked without a site: what they say, and what is remarkable about it."""

    fleet: Fleet
    warnings: tuple[str, ...] = ()


def load(config_file: str, *, environ: Mapping[str, str], euid: int) -> Loaded | list[ConfigError]:
    """Everything, checked as a whole; `environ` and `euid` are the daemon's."""
    findings = Findings()
    is_trusting = euid != 0
    site = read_site(config_file, environ, euid, findings, is_trusting=is_trusting)
    if site is None:
        return findings.errors()
    if site.xmpp is not None:
        check_files(site.xmpp, site.config_file, findings, euid)
    contents = _contents(site.conf_d, findings, is_trusting=is_trusting)
    drafts, is_whole = _drafts(site.conf_d, contents, environ, findings, is_trusting=is_trusting)
    check(drafts, Ground(environ, euid, site.run_dir, is_whole))
    errors = findings.errors()
    if errors:
        return errors
    return Loaded(
        site=site,
        fleet=_fleet(drafts),
        fingerprint=digest(contents),
        site_fingerprint=of_file(config_file),
        warnings=findings.warnings,
    )


def check_file(path: str, *, environ: Mapping[str, str], euid: int) -> Checked | list[ConfigError]:
    """One conf.d file, or a directory of them, without an amonsup.yaml.

    A single file may lean on services of files beside it: a dependency it does not hold itself is only a
    warning. Whom it belongs to does not matter: nothing is run from it yet.
    """
    findings = Findings()
    is_directory = os.path.isdir(path)
    directory = path if is_directory else os.path.dirname(path) or "."
    if is_directory:
        contents = _contents(directory, findings, is_trusting=True)
    else:
        contents = _content(directory, os.path.basename(path), findings, is_trusting=True)
    drafts, is_whole = _drafts(directory, contents, environ, findings, is_trusting=True)
    run_dir = default_site(environ, euid, os.path.abspath(directory)).run_dir
    check(drafts, Ground(environ, euid, run_dir, is_directory and is_whole))
    errors = findings.errors()
    return errors or Checked(_fleet(drafts), findings.warnings)


def _contents(conf_d: str, findings: Findings, *, is_trusting: bool) -> dict[str, bytes]:
    try:
        names = files.listing(conf_d, is_trusting=is_trusting)
    except files.UnreadableError as wrong:
        findings.add(ConfigError(printable(conf_d), 0, 0, "", str(wrong)))
        return {}
    contents: dict[str, bytes] = {}
    for name in names:
        if files.is_conf_name(name):
            contents.update(_content(conf_d, name, findings, is_trusting=is_trusting))
        elif name.endswith(".yml") and not name.startswith("."):
            file = printable(os.path.join(conf_d, name))
            findings.warn(ConfigError(file, 0, 0, "", "is not read: only *.yaml is"))
    return contents


def _content(directory: str, name: str, findings: Findings, *, is_trusting: bool) -> dict[str, bytes]:
    path = os.path.join(directory, name)
    try:
        if printless(path):
            raise files.UnreadableError("has a name that is not UTF-8")
        return {name: files.read(path, is_trusting=is_trusting)}
    except files.UnreadableError as wrong:
        findings.add(ConfigError(printable(path), 0, 0, "", str(wrong)))
        return {}


def _drafts(
    directory: str,
    contents: dict[str, bytes],
    environ: Mapping[str, str],
    findings: Findings,
    *,
    is_trusting: bool,
) -> tuple[list[Draft], bool]:
    """The services of all files, and whether every file could be read."""
    drafts: list[Draft] = []
    is_whole = True
    env_files: dict[str, dict[str, str]] = {}
    for name, content in contents.items():
        file = os.path.join(directory, name)
        scope = Scope(file, os.path.abspath(directory), environ, findings, is_trusting=is_trusting)
        scope.env_files = env_files
        found = read_services(content, scope)
        is_whole = is_whole and found is not None
        drafts.extend(found or ())
    return drafts, is_whole


def _fleet(drafts: list[Draft]) -> Fleet:
    return Fleet(services=tuple(draft.spec for draft in drafts))
