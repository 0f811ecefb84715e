"""amonsup.yaml to a site spec: where things are, and what they default to.

The defaults depend on who the *daemon* is: root has the system's directories, anybody else a directory
below the home directory. A client that only looks for the socket is often somebody else than the daemon;
without being told, it takes the daemon to be whoever owns the file (as root the daemon reads no file that
root does not own).
"""

from __future__ import annotations

import os
from collections.abc import Mapping as Environ
from typing import Any

from amonsup.config import files
from amonsup.config.accounts import group_exists, home_of, user_exists
from amonsup.config.errors import ConfigError, Findings, printable, shown
from amonsup.config.fields import Scope
from amonsup.config.site_keys import SITE_RECORD
from amonsup.config.specs import SiteSpec
from amonsup.config.strict_yaml import Mapping, Node, Scalar, Sequence, compose
from amonsup.config.units import printless

SYSTEM_FILE = "/etc/amonsup/amonsup.yaml"
LOCAL_FILE = "amonsup.yaml"
SUN_PATH = 107


def find_config_file(explicit: str | None, environ: Environ[str, str]) -> str | ConfigError:
    """The amonsup.yaml to use: what was asked for, $AMONSUP_CONFIG, the directory's own, the system's."""
    named = explicit or environ.get("AMONSUP_CONFIG", "")
    if named:
        if os.path.exists(named):
            return os.path.abspath(named)
        origin = "" if explicit else " (from $AMONSUP_CONFIG)"
        return ConfigError(printable(named), 0, 0, "", f"does not exist{origin}")
    for candidate in (LOCAL_FILE, SYSTEM_FILE):
        if os.path.exists(candidate):
            return os.path.abspath(candidate)
    says = f"no configuration: neither ./{LOCAL_FILE} nor {SYSTEM_FILE} exists, and none was named"
    return ConfigError("", 0, 0, "", says, "-c FILE or $AMONSUP_CONFIG")


def load_site(config_file: str, *, environ: Environ[str, str], euid: int | None = None) -> SiteSpec | list[ConfigError]:
    """amonsup.yaml alone. `euid` is the daemon's; None: a client asks, the file's owner stands in."""
    findings = Findings()
    if euid is None:
        euid = _owner(config_file)
        if euid != os.geteuid():
            environ = {**environ, "HOME": home_of(euid) or environ.get("HOME", "")}
        site = read_site(config_file, environ, euid, findings, is_trusting=True)
    else:
        site = read_site(config_file, environ, euid, findings, is_trusting=euid != 0)
    errors = findings.errors()
    return errors if errors or site is None else site


def read_site(
    config_file: str, environ: Environ[str, str], euid: int, findings: Findings, *, is_trusting: bool
) -> SiteSpec | None:
    """The site as far as it can be read, None where nothing can; mistakes go to the findings."""
    path = os.path.abspath(config_file)
    shown_file = printable(path)
    try:
        if printless(path):
            raise files.UnreadableError("has a name that is not UTF-8")
        content = files.read(path, is_trusting=is_trusting)
    except files.UnreadableError as wrong:
        findings.add(ConfigError(shown_file, 0, 0, "", str(wrong)))
        return None
    root, errors = compose(content, shown_file, may_be_empty=False)
    for error in errors:
        findings.add(error)
    if root is None:
        return None
    scope = Scope(shown_file, os.path.dirname(path), environ, findings, is_trusting=is_trusting)
    values = SITE_RECORD.values(root, "", scope)
    return _with_defaults(values, root, scope, path, euid)


def _owner(config_file: str) -> int:
    try:
        return os.stat(config_file).st_uid
    except (OSError, ValueError):
        return os.geteuid()


def site_name() -> str:
    """The machine's own name, made fit: its first label, lower case, what is not allowed replaced."""
    label = os.uname().nodename.partition(".")[0].lower()
    fit = "".join(each if each.isascii() and (each.isalnum() or each in "-_") else "-" for each in label)
    return fit.lstrip("-_")[:63] or "site"


def default_site(environ: Environ[str, str], euid: int, directory: str) -> SiteSpec:
    """What an amonsup.yaml that says nothing would mean in a directory."""
    return SiteSpec(**_paths({}, environ, euid, os.path.join(directory, LOCAL_FILE)))


def _paths(values: dict[str, Any], environ: Environ[str, str], euid: int, path: str) -> dict[str, Any]:
    is_root = euid == 0
    home = environ.get("HOME") or home_of(euid) or "/"
    state_dir = values.get("state_dir") or (
        "/var/lib/amonsup" if is_root else os.path.join(os.path.abspath(home), ".local/state/amonsup")
    )
    run_dir = values.get("run_dir") or ("/run/amonsup" if is_root else f"{state_dir}/run")
    return {
        "site": values.get("site") or site_name(),
        "config_file": path,
        "conf_d": values.get("conf_d") or os.path.join(os.path.dirname(path), "conf.d"),
        "run_dir": run_dir,
        "state_dir": state_dir,
        "log_dir": values.get("log_dir") or ("/var/log/amonsup" if is_root else f"{state_dir}/log"),
        "socket": os.path.normpath(os.path.join(run_dir, values.get("socket") or "amonsup.sock")),
    }


def _with_defaults(values: dict[str, Any], root: Mapping, scope: Scope, path: str, euid: int) -> SiteSpec:
    site = SiteSpec(
        **_paths(values, scope.environ, euid, path),
        user=_account("user", "amonsup", values, root, scope, euid),
        log_user=_account("log_user", "amonsup-log", values, root, scope, euid),
        tags=values.get("tags", ()),
        access=values.get("access", ()),
        xmpp=values.get("xmpp"),
    )
    excess = len(os.fsencode(site.socket)) - SUN_PATH
    if excess > 0:
        place = root.get("socket") or root.get("run_dir") or root.get("state_dir") or root
        says = f"{shown(site.socket)} is {excess} bytes too long for a socket: at most {SUN_PATH}"
        scope.report(place, "socket", says)
    _warn_of_strangers(root, site, scope)
    return site


def _account(key: str, usual: str, values: dict[str, Any], root: Mapping, scope: Scope, euid: int) -> str:
    """A user of our own processes; '' for the daemon's own."""
    given: str = values.get(key, "")
    if not given:
        return usual if euid == 0 and user_exists(usual) else ""
    if euid != 0:
        scope.report(_node(root, key), key, "only root can run its parts as somebody else")
    elif not user_exists(given):
        scope.report(_node(root, key), key, f"there is no user {shown(given)}")
    return given


def _node(root: Mapping, key: str) -> Node:
    return root.entries[key][1]


def _warn_of_strangers(root: Mapping, site: SiteSpec, scope: Scope) -> None:
    """Access for an account that is not there harms nobody, and it may come: a warning."""
    rules = root.get("access")
    places = rules.items if type(rules) is Sequence else ()
    for node in places:
        for key, exists in (("user", user_exists), ("group", group_exists)):
            named = node.get(key) if type(node) is Mapping else None
            if type(named) is Scalar and named.text and not exists(named.text):
                says = f"there is no {key} {shown(named.text)}"
                scope.findings.warn(ConfigError(scope.file, named.line, named.column, f"access.{key}", says))
