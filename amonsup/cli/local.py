"""The verbs that need no daemon: `check`, `import`, `schema` and `completion`. And where the daemon's socket is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from amonsup.cli.errors import DONE, FAILED, WRONG_USE, CommandError
from amonsup.cli.output import Output
from amonsup.config.specs import SiteSpec
from amonsup.verbs.verb import Verb


def socket_path(config: str, environ: Mapping[str, str]) -> str:
    """As amonsup.yaml has it."""
    return site_of(config, environ).socket


def site_of(config: str, environ: Mapping[str, str]) -> SiteSpec:
    """amonsup.yaml. It is read each time: what a cache says may no longer be true."""
    from amonsup.config.site import load_site  # YAML: not for those who give --socket

    site = load_site(_config_file(config, environ), environ=environ)
    if isinstance(site, list):
        raise CommandError("invalid", "\n".join(error.render() for error in site), WRONG_USE)
    return site


def run(verb: Verb, args: dict[str, Any], config: str, environ: Mapping[str, str], output: Output) -> int:
    if verb.name == "check":
        return _check(verb, args, config, environ, output)
    if verb.name == "completion":
        return _completion(verb, args["shell"], output)
    if verb.name == "import":
        from amonsup.cli import importing

        return importing.run(args, environ, output)
    from amonsup.config.schema import json_schema

    schema = json_schema()
    if output.is_json:
        output.document(schema)
    else:
        output.page(verb.page(schema))
    return DONE


def _completion(verb: Verb, shell: str, output: Output) -> int:
    from amonsup.cli.shells import SCRIPTS
    from amonsup.verbs.completion import CompletionResult

    result = CompletionResult(shell, SCRIPTS[shell])
    if output.is_json:
        output.document(result)
    else:
        output.text(result.script)
    return DONE


def _check(verb: Verb, args: dict[str, Any], config: str, environ: Mapping[str, str], output: Output) -> int:
    """By the eyes of the daemon: root's own if root asks, else of whoever owns the file."""
    from amonsup.config.errors import ConfigError
    from amonsup.config.load import Checked, check_file, load
    from amonsup.config.specs import Loaded
    from amonsup.verbs.check import CheckResult, OnlineRow

    path = args.get("path", "")
    online: tuple[OnlineRow, ...] = ()
    found: Checked | Loaded | list[ConfigError]
    if path and args.get("online"):
        raise CommandError("bad-request", "--online tries amonsup.yaml's xmpp:, not a file of conf.d", WRONG_USE)
    if path:
        found = check_file(path, environ=environ, euid=_daemon(path))
    else:
        file = _config_file(config, environ)
        found = load(file, environ=environ, euid=_daemon(file))
    if isinstance(found, list):
        result = CheckResult(ok=False, errors=tuple(found))
    else:
        files = _count(found.site.conf_d if isinstance(found, Loaded) else path)
        if args.get("online") and isinstance(found, Loaded):
            from amonsup.cli import online as trial

            online = trial.run(found.site, _daemon(found.site.config_file))
        result = CheckResult(
            ok=True, warnings=found.warnings, services=len(found.fleet.services), files=files, online=online
        )
    if output.is_json:
        output.document(result)
    else:
        output.page(verb.page(result))
    if not result.ok:
        return WRONG_USE
    return FAILED if any(row.ok is False for row in online) else DONE


def _count(path: str) -> int:
    """How many files were read."""
    from amonsup.config.files import is_conf_name

    return sum(is_conf_name(name) for name in os.listdir(path)) if os.path.isdir(path) else 1


def _config_file(config: str, environ: Mapping[str, str]) -> str:
    from amonsup.config.site import find_config_file

    found = find_config_file(config or None, environ)
    if not isinstance(found, str):
        raise CommandError("invalid", found.render(), WRONG_USE)
    return found


def _daemon(path: str) -> int:
    """The user whom the daemon would run as."""
    if os.geteuid() == 0:
        return 0
    try:
        return os.stat(path).st_uid
    except (OSError, ValueError):
        return os.geteuid()
