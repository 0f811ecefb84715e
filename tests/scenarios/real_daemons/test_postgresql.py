"""PostgreSQL: initdb once, the server as its user, who needs it once pg_isready says so; stopped, killed, recovered."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest
from support.site import kill_hard, ourselves, until
from support.xmpp_servers import free_port

ACCOUNT = "postgres"


def programs() -> Path:
    """Where Debian keeps the newest version's."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else Path("/usr/lib/postgresql/none/bin")


@pytest.fixture
def site(site_of):
    where, port = programs(), free_port()
    site = site_of("postgresql", ourselves(), str(where / "initdb"), PG=str(where), PORT=str(port))
    site.port, site.pg, site.account = port, where, None
    database = site.mkdir("database", 0o700)
    if os.geteuid() == 0:  # the server refuses to run as root
        site.account = pwd.getpwnam(ACCOUNT)
        os.chown(database, site.account.pw_uid, site.account.pw_gid)
        text = site.file("conf.d/site.yaml").read_text()
        site.write("conf.d/site.yaml", text.replace("defaults:\n", f"defaults:\n  user: {ACCOUNT}\n"))
    site.start()
    come_up(site, 1)
    return site


def come_up(site, times):
    """Until the server runs and its dependant has been there so many times; their pids."""
    lives = site.running("db", "app")
    until(lambda: int(query(site, "select count(*) from runs")) == times, f"the dependant has run {times} times")
    return lives


def client(site, text, database="postgres"):
    """A client from outside, with what it needs to be started as the server's user."""
    words = ["psql", "-h", "127.0.0.1", "-p", str(site.port), "-At", "-c", text, database]
    how = {"cwd": "/", "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    if site.account is not None:
        how |= {"user": site.account.pw_uid, "group": site.account.pw_gid, "extra_groups": []}
    return subprocess.Popen(words, **how)


def query(site, text):
    with client(site, text) as process:
        out, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    return out.strip()


def test_in_order_up_and_down(site):
    kinds = site.transcript()
    order = ["initdb exited", "db started", "db healthy", "schema started", "schema exited", "app started"]
    assert sorted(order, key=kinds.index) == order
    if site.account is not None:
        assert Path(f"/proc/{site.pid('db')}").stat().st_uid == site.account.pw_uid
    query(site, "alter system set work_mem = '77MB'")
    site.do("reload", services=["db"])
    until(lambda: query(site, "show work_mem") == "77MB", "its settings were read again")

    with client(site, "select pg_sleep(3600)") as session:  # SIGTERM would wait for it
        until(
            lambda: "3600" in query(site, "select query from pg_stat_activity where pid <> pg_backend_pid()"),
            "it is in",
        )
        site.do("restart", services=["db"])
        assert "terminating connection due to administrator command" in session.communicate(timeout=20)[1]
    assert "database system is shut down" in "\n".join(site.log("db"))
    come_up(site, 2)
    with client(site, "select 1", "nowhere"):
        assert 'FATAL:  database "nowhere" does not exist' in site.wait("alert", "db")["text"]
    assert len([event for event in site.events() if event.get("match")]) == 1, "nothing of starts and a stop"
    assert site.transcript("initdb").count("initdb started") == 1, "its success holds"


def test_killed_it_recovers_without_its_old_children(site):
    before = site.running("db", "app")
    site.kill("supervisor")
    kill_hard(before["db"])
    until(lambda: site.pid("app") not in (0, before["app"]), "the dependant has followed")
    come_up(site, 2)
    until(lambda: any("not properly shut down" in line for line in site.log("db")), "it has recovered")
    assert not any("still in use" in line for line in site.log("db"))
    assert not [event for event in site.events() if event.get("match")], "who asked meanwhile is of no concern"
    site.do("stop", services=["db"])
    assert site.row("db")["exit"]["code"] == 0
