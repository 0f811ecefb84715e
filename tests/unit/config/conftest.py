"""A site in a temporary directory, and what loading it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amonsup.config.errors import ConfigError
from amonsup.config.load import load
from amonsup.config.specs import Loaded, ServiceSpec

Site = Callable[..., "Loaded | list[ConfigError]"]
PLAIN = 1000


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "conf.d").mkdir(mode=0o755)
    (tmp_path / "amonsup.yaml").write_text("site: here\nrun_dir: /run/t\n")
    return tmp_path


@pytest.fixture
def site(base: Path) -> Site:
    """Load conf.d files a.yaml, b.yaml … as a plain user unless told otherwise."""

    def outcome(
        *contents: str | bytes, environ: dict[str, str] | None = None, euid: int = PLAIN
    ) -> Loaded | list[ConfigError]:
        for letter, content in zip("abcdef", contents, strict=False):
            raw = content.encode() if isinstance(content, str) else content
            (base / "conf.d" / f"{letter}.yaml").write_bytes(raw)
        return load(str(base / "amonsup.yaml"), environ=environ or {"HOME": "/home/u"}, euid=euid)

    return outcome


@pytest.fixture
def errors(site: Site, base: Path) -> Callable[..., list[str]]:
    """The rendered errors of conf.d files, their directory left out."""

    def rendered(*contents: str | bytes, environ: dict[str, str] | None = None, euid: int = PLAIN) -> list[str]:
        outcome = site(*contents, environ=environ, euid=euid)
        assert isinstance(outcome, list), "the configuration was accepted"
        return [error.render().replace(f"{base}/conf.d/", "") for error in outcome]

    return rendered


@pytest.fixture
def service(site: Site) -> Callable[..., ServiceSpec]:
    """The spec of service `s`, given the lines of its body."""

    def spec(*lines: str, environ: dict[str, str] | None = None) -> ServiceSpec:
        body = "".join(f"    {line}\n" for line in ("command: /bin/true", *lines))
        outcome = site(f"services:\n  s:\n{body}", environ=environ)
        assert isinstance(outcome, Loaded), [each.render() for each in outcome]
        return outcome.fleet.services[0]

    return spec
