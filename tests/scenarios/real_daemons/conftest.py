"""A site for one real daemon of Debian: its conf.d in a directory of its name, on loopback, a port nobody has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.site import Site, Who

WHERE = f"{os.environ['PATH']}:/usr/sbin"


@pytest.fixture
def site_of(open_site: Callable[..., Site]) -> Callable[..., Site]:
    """Makes a site for `name`; `command` has to be on this machine, `environ` is what conf.d may name."""

    def make(name: str, who: Who, command: str, **environ: str) -> Site:
        if shutil.which(command, path=WHERE) is None:
            assert os.environ.get("CI") != "true", f"CI has {command}"
            pytest.skip(f"needs {command} (.ci/need test)")
        return open_site(who, case=Path(__file__).parent / name, environ={"PATH": WHERE, **environ})

    return make
