"""Scenarios run a real amonsupd; see support/site.py.

`who` runs a scenario once as root and once as a plain user, where that is possible; `open_site` gives it sites, and
closes them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.plain import plain_user
from support.site import Site, Who, ourselves
from support.tmux import Tmux

OpenSite = Callable[..., Site]

_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    report = yield
    if report.failed:
        item.stash[_failed] = True
    return report


@pytest.fixture(params=["root", "user"])
def who(request: pytest.FixtureRequest) -> Who:
    if request.param == "user":
        return plain_user()
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return ourselves()


@pytest.fixture
def root() -> Who:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return ourselves()


@pytest.fixture
def user() -> Who:
    return plain_user()


@pytest.fixture
def open_site(request: pytest.FixtureRequest) -> Iterator[OpenSite]:
    """Make a site of the scenario's directory; it is closed, and must close cleanly, at the end."""
    sites: list[Site] = []

    def make(*args: Any, **options: Any) -> Site:
        case = options.pop("case", request.path.parent)
        sites.append(Site(case, *args, **options))
        return sites[-1]

    yield make
    errors = []
    has_failed = request.node.stash.get(_failed, False)
    for site in sites:
        if has_failed:
            print(site.report())  # noqa: T201 - pytest shows it with the failure
            site.wipe_out()
            continue
        try:
            site.close()
            site.remove()
        except AssertionError as error:
            errors.append(error)
            print(site.report())  # noqa: T201 - pytest shows it with the failure
    if errors:
        raise errors[0]


@pytest.fixture
def tmux(open_site: OpenSite) -> Iterator[Callable[..., Tmux]]:
    """Makes real terminals; they are closed before the sites are."""
    terminals: list[Tmux] = []

    def make(*args: Any, **options: Any) -> Tmux:
        terminals.append(Tmux(*args, **options))
        return terminals[-1]

    yield make
    for terminal in terminals:
        terminal.close()
