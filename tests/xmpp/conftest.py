"""Conversations: a real site, a really started server, and people with clients of their own.

What depends on the server is told to both, Prosody and ejabberd; `@pytest.mark.one_server` is for what does not, or
only one can do: Prosody, unless another is named.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.cast import Cast
from support.namespace import Namespace
from support.person import Person
from support.site import Site, ourselves
from support.xmpp_servers import KINDS, ROOMS, Authority, Server, gone, started

SITE = "gsi@localhost"
AGENT = f"{SITE}/amonsup"
ACCESS = (
    ("admin@localhost", "admin"),
    ("operator@localhost", "operator"),
    ("viewer@localhost", "viewer"),
)
PEOPLE = ("gsi", "admin", "operator", "viewer", "stranger")


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    directory = Path(tempfile.mkdtemp(prefix="amsca", dir="/tmp"))
    directory.chmod(0o755)
    yield Authority(directory)
    shutil.rmtree(directory)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        one = metafunc.definition.get_closest_marker("one_server")
        kinds = list(KINDS) if one is None else list(one.args or ["prosody"])
        metafunc.parametrize("server", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Server]:
    """One server of a kind for all conversations that do not hurt it."""
    made = started(request.param, authority, PEOPLE)
    yield made
    gone(made)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace()
    yield made
    made.close()


@pytest.fixture
def cast(server: Server) -> Cast:
    """Accounts that nobody else has had or will have."""
    return Cast(server)


@pytest.fixture
def audit(cast: Cast) -> Callable[[Site], str]:
    """A site's audit log, with the names that the test calls people; empty as long as there is none."""

    def read(site: Site) -> str:
        log = site.state_dir / "audit.jsonl"
        return cast.played(log.read_text()) if log.exists() else ""

    return read


@pytest.fixture
def people(server: Server, authority: Authority, cast: Cast) -> Iterator[Callable[..., Person]]:
    """Gets people online."""
    found: list[Person] = []

    def make(name: str, **options: Any) -> Person:
        found.append(Person(f"{name}@localhost", server.port, str(authority.certificate), cast=cast, **options))
        return found[-1]

    yield make
    for person in found:
        person.close()


@pytest.fixture
def open_site(server: Server, authority: Authority, cast: Cast) -> Iterator[Callable[..., Site]]:
    """A site that is (about to be) online; `xmpp` and `sessions` add lines to its `xmpp:`."""
    sites: list[Site] = []

    def make(
        services: str,
        *,
        xmpp: str = "",
        port: int = 0,
        starts: bool = True,
        access: str = "",
        sessions: str = "",
        host: str = "127.0.0.1",
        wrapper: Iterable[str] = (),
        patches: str = "",
    ) -> Site:
        config = {"site": "gsi", "tags": "[tier2]"}
        site = Site(Path(__file__).parent / "case", ourselves(), config=config, wrapper=wrapper, patches=patches)
        site.write("pw", "secret\n")
        site.file("pw").chmod(0o600)
        rules = access or "".join(f"    - {{jid: {jid}, role: {role}}}\n" for jid, role in ACCESS)
        with site.config_file.open("a") as file:
            settings = (
                "xmpp:\n  sessions:\n"
                f"    main: {{jid: {SITE}, password_file: pw, host: {host}, port: {port or server.port},"
                f" ca_file: {authority.certificate}}}\n"
                f"{sessions}  require_signature: none\n  access:\n{rules}{xmpp}"
            )
            file.write(cast.real(settings))
        (site.conf_d / "services.yaml").write_text(services)
        sites.append(site)
        return site.start() if starts else site

    yield make
    for site in sites:
        try:
            site.close()
        except AssertionError:
            print(site.report())  # noqa: T201 - pytest shows it with the failure
            raise
        finally:
            print(site.stderr())  # noqa: T201
        site.remove()


__all__ = ["AGENT", "ROOMS", "SITE"]
