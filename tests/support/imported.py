"""What an import came to, as a test asks about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from amonsup.verbs.results import ImportedService, ImportResult

UNITS = "/etc/systemd/system"


class Out:
    """The result, and the services of it as plain values."""

    def __init__(self, result: ImportResult) -> None:
        self.result = result

    def service(self, name: str = "") -> ImportedService:
        found = [each for each in self.result.services if not name or each.name == name]
        assert len(found) == 1, [each.name for each in self.result.services]
        return found[0]

    def keys(self, name: str = "", of: str = "") -> dict[str, Any]:
        """The keys of a service (of one of its companions: `of` is its name)."""
        service = self.service(name)
        assert not service.reason, service.reason
        document = yaml.load(service.yaml, yaml.BaseLoader)
        found: dict[str, Any] = document["services"][of or service.name]
        return found

    def fates(self, name: str = "") -> dict[str, str]:
        return {remark.what: remark.fate for remark in self.service(name).remarks}

    def how(self, start: str, name: str = "") -> str:
        return next(remark.how for remark in self.service(name).remarks if remark.what.startswith(start))


Take = Callable[..., Out]
