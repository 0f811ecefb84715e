"""amonsupd replaces itself by what is installed now; a broken installation is refused. No service notices.

The daemon runs from a copy of the package, which the scenario then replaces as a package manager would.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import uuid
from pathlib import Path

import pytest
from support.site import ROOT, libraries, until, wait_gone

OURS = ("guardian", "supervisor", "logger")
LEAVING = """trap 'echo told >> told' TERM
echo ready >> ready
until [ -e may-go ]; do sleep 0.05; done
"""


XMPP = "{sessions: {main: {jid: site@localhost, host: 127.0.0.1, port: 1, password_file: password}}}"


@pytest.fixture(scope="module")
def package():
    """A copy of the package, compiled as it is, on the file system where sites are."""
    directory = Path(tempfile.mkdtemp(prefix="amscp", dir="/tmp"))
    directory.chmod(0o755)
    shutil.copytree(ROOT / "amonsup", directory / "amonsup")
    yield directory / "amonsup"
    shutil.rmtree(directory)


@pytest.fixture
def site(open_site, who, package):
    return started(open_site(who), package)


def started(site, package):
    site.package = package
    install(site, "1.0.0")
    site._environ["PYTHONPATH"] = ":".join([str(site.file("installed")), *libraries()])
    site.puppet("waiting")
    site.file("bin/leaving.sh").write_text(LEAVING)
    site.start()
    until(lambda: site.log("writer"), "the logger has loaded what is to be replaced")
    return site


def install(site, version, *, breaks=""):
    """Put a version in place, all at once."""
    fresh, target = site.file(f"fresh-{uuid.uuid4().hex}"), site.file("installed")
    shutil.copytree(site.package, fresh / "amonsup", copy_function=os.link)
    edit(fresh / "amonsup/__init__.py", lambda text: text.split("__version__")[0] + f'__version__ = "{version}"\n')
    if breaks:
        edit(fresh / "amonsup" / breaks, lambda text: text + "\nthis is no Python\n")
    if target.exists():
        target.rename(site.file(f"old-{uuid.uuid4().hex}"))
    fresh.rename(target)


def edit(path, change):
    """A file that other versions have too becomes one of its own."""
    text = path.read_text()
    path.unlink()
    path.write_text(change(text))


def version(site):
    return site.show("supervisor")["facts"]["version"]


def check_replaced(site, before):
    """Our processes are others, but for the guardian's number; the services are the same."""
    after = site.running(*before)
    assert after["guardian"] == before["guardian"]
    assert after["supervisor"] != before["supervisor"]
    assert after["logger"] != before["logger"]
    assert (after["one"], after["writer"]) == (before["one"], before["writer"])


def test_everything_of_ours_is_replaced(site):
    before = site.running("one", "writer", *OURS)
    assert version(site) == "1.0.0"
    install(site, "1.1.0")
    result = site.do("upgrade")
    assert result["note"] == "this is amonsup 1.1.0"
    assert version(site) == "1.1.0"
    wait_gone(before["logger"])
    check_replaced(site, before)
    rows = site.answers()
    assert [rows[name]["restarts"] for name in ("one", "writer")] == [0, 0]
    # By signal as well, and with the client of the command line.
    before = site.running("one", "writer", *OURS)
    install(site, "1.2.0")
    os.kill(before["guardian"], signal.SIGUSR2)
    until(lambda: version(site) == "1.2.0")
    wait_gone(before["logger"])
    check_replaced(site, before)
    install(site, "1.3.0")
    done = site.cli("upgrade")
    assert done.returncode == 0, done.stderr
    assert version(site) == "1.3.0"
    assert site.lines("violations") == []
    site.close()
    *numbers, last = site.log("writer")
    assert numbers == [str(number) for number in range(len(numbers))]
    assert last == f"wrote {len(numbers)}"


@pytest.mark.parametrize("breaks", ["supervisor/daemon.py", "supervisor/guardian.py", "logs/logger.py"])
def test_what_does_not_load_is_refused(site, breaks):
    before = site.running("one", "writer", *OURS)
    install(site, "1.1.0", breaks=breaks)
    refusal = site.refused("upgrade")
    assert refusal["code"] == "failed"
    assert "does not load (SyntaxError: " in refusal["text"]
    assert breaks.rpartition("/")[2] in refusal["text"]
    assert "Traceback" not in site.stderr()
    assert site.running(*before) == before
    os.kill(before["guardian"], signal.SIGUSR2)
    site.wait("refused", "", "SIGUSR2")
    assert site.running(*before) == before
    # And mended, it goes.
    install(site, "1.1.1")
    site.do("upgrade")
    assert version(site) == "1.1.1"


def test_a_control_that_does_not_load_is_refused_where_there_is_one(open_site, who, package):
    site = open_site(who, config={"xmpp": XMPP})
    site.write("password", "secret")
    site.file("password").chmod(0o600)
    started(site, package)
    until(lambda: "session main" in site.warnings(), "control has loaded what is to be replaced")
    before = site.running("one", "writer", *OURS, "control")
    install(site, "1.1.0", breaks="control/plane.py")
    assert "plane.py" in site.refused("upgrade")["text"]
    assert site.running(*before) == before


def test_a_version_that_cannot_read_what_is_there_is_refused(site):
    """It would load, and then find no configuration: the services stay with who understands theirs."""
    before = site.running("one", "writer", *OURS)
    install(site, "2.0.0")
    edit(
        site.file("installed/amonsup/supervisor/adapters/applied.py"),
        lambda text: text.replace("FORMAT = 1", "FORMAT = 2"),
    )
    refusal = site.refused("upgrade")
    assert "does not understand the applied configuration" in refusal["text"]
    assert site.running(*before) == before
    assert version(site) == "1.0.0"


def test_an_operation_under_way_goes_on(site):
    with site.connect() as client:
        request_id = client.request("start", services=["waiting"])
        assert client.message()["type"] == "accepted"
    puppet = site.puppet("waiting")
    until(puppet.lives)
    site.do("upgrade")
    puppet.tell("notify READY=1")
    word = site.talk("start", request_id, services=["waiting"])
    assert word["result"]["ok"], word
    assert len(puppet.lives()) == 1


def test_who_was_told_to_stop_is_not_told_again(site):
    site.do("start", services=["leaving"])
    until(lambda: site.lines("ready"))
    with site.connect() as client:
        request_id = client.request("stop", services=["leaving"])
        assert client.message()["type"] == "accepted"
    until(lambda: site.lines("told"))
    site.do("upgrade")
    site.file("may-go").touch()
    word = site.talk("stop", request_id, services=["leaving"])
    assert word["result"]["ok"], word
    assert site.lines("told") == ["told"]
