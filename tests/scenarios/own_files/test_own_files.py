"""Files that services write by themselves: followed, watched and rotated while they are written."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from support.site import kill_hard, until

IS_SOAK = bool(os.environ.get("AMONSUP_SOAK"))
LINES = 2_000_000
MOST_KILLS = 10_000 if IS_SOAK else 4
PATIENCE = 600.0 if IS_SOAK else 40.0


@pytest.fixture(params=["root on disk", "root in memory", "user on disk"])
def place(request):
    """Who, and a directory of his on the disk's file system (ext4 as a rule) or on a tmpfs."""
    who = request.getfixturevalue(request.param.split()[0])
    data = make_data(who, "/tmp" if request.param.endswith("disk") else "/dev/shm")
    yield who, data
    shutil.rmtree(data)


def make_data(who, where="/tmp"):
    path = Path(tempfile.mkdtemp(prefix="amscd", dir=where))
    os.chown(path, who.uid, who.gid)
    path.chmod(0o755)
    return path


def matches(site, service):
    return [event for event in site.events() if event.get("match") and event["service"] == service]


def counted(site, service):
    return sum(1 + event.get("suppressed", 0) for event in matches(site, service))


def followed(site, service, path):
    """How show says that the file is followed; nothing if it does not."""
    said = site.show(service)["facts"].get(f"file {path}", "")
    return said if "followed" in said else ""


def content(path, *, is_begun=True):
    """All of a rotated file, oldest first. `is_begun`: there is a current one."""
    numbers = sorted(
        {int(p.name.split(".")[2]) for p in path.parent.glob(path.name + ".[0-9]*")},
        reverse=True,
    )
    raw = b""
    for number in numbers:
        plain, packed = path.with_name(f"{path.name}.{number}"), path.with_name(f"{path.name}.{number}.gz")
        raw += plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    return raw + path.read_bytes() if is_begun else raw


@pytest.mark.timeout(3 * PATIENCE)
def test_every_line_once_through_rotations_and_kills(open_site, place):
    who, data = place
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown if it fails
    chance = random.Random(seed)
    site = open_site(who, patches="eager_guardian", environ={"DATA": str(data), "LINES": str(LINES)})
    site.start()
    (data / "ce.log").touch()
    os.chown(data / "ce.log", who.uid, who.gid)
    until(lambda: followed(site, "ce", data / "ce.log"), "the file is followed")
    site.do("start", services=["ce"])
    shown = os.memfd_create("shown")
    follower = site.cli_started("logs", "ce", "--file", "ce.log", "-f", "-n", str(LINES), stdout=shown)
    kills = 0
    while kills < MOST_KILLS and not (data / "ce.log.done").exists():
        grow(data, chance)
        pids = site.running("logger", "supervisor")
        names = chance.choice([["logger"], ["supervisor"], ["logger", "supervisor"]])
        kill_hard(*(pids[name] for name in names))
        kills += 1
    print(f"{kills} kills")  # noqa: T201 - shown if it fails
    assert kills >= 4
    (data / "ce.log.enough").touch()
    until((data / "ce.log.done").exists, "all is written", PATIENCE)
    count = int((data / "ce.log.done").read_text())
    print(f"{count} lines")  # noqa: T201 - shown if it fails
    matching = len(range(77, count, 100))
    until(lambda: counted(site, "ce") >= matching, "all is judged", PATIENCE)
    assert counted(site, "ce") == matching
    written = b"".join(b"line %d\n" % number for number in range(count))
    assert content(data / "ce.log") == written
    until(lambda: os.fstat(shown).st_size >= len(written), "the follower has all of it", PATIENCE)
    follower.send_signal(signal.SIGINT)
    assert follower.communicate()[1] == ""
    assert os.pread(shown, 2 * len(written), 0) == written
    os.close(shown)
    assert site.cli("logs", "ce", "--file", "ce.log").stdout.encode() == written
    way = until(lambda: followed(site, "ce", data / "ce.log"), "it is followed")
    rotated = list(data.glob("ce.log.[0-9]*"))
    print(f"{len(rotated)} rotations, {way}")  # noqa: T201 - shown if it fails
    assert rotated
    if "ext4" in way:
        assert "taking out its head (ext4, its writer appends)" in way
    elif data.is_relative_to("/dev/shm"):
        assert "while the service is frozen (tmpfs, its writer appends)" in way


def grow(data, chance):
    """Until some more lines are written, or all."""

    def count():
        return int((data / "ce.log.count").read_text() or 0)

    until((data / "ce.log.count").exists, "it is written")
    wanted = count() + chance.randrange(20_000)
    until(lambda: count() >= wanted or (data / "ce.log.done").exists(), "more is written")


def test_rename_and_recreate_truncate_and_delete(open_site, who):
    """As logrotate and people do it; the puppet's file is written from here."""
    data = make_data(who)
    site = open_site(who, patches="hasty", environ={"DATA": str(data), "LINES": "1"})
    try:
        site.puppet("puppet")
        site.start()
        until(lambda: "not there (yet)" in str(site.show("puppet")["facts"]), "it has been looked for")
        (data / "p").mkdir()
        log = data / "p" / "x.log"
        os.chown(data / "p", who.uid, who.gid)
        written = 0

        def say(path, text):
            nonlocal written
            with open(path, "a") as file:
                file.write(text + "\n")
            os.chown(path, who.uid, who.gid)
            written += 1
            assert site.wait("watch", "puppet")["text"] == text

        say(log, "bad 1")  # the directory came after us, the file after it
        log.rename(data / "p" / "x.log.old")
        say(data / "p" / "x.log.old", "bad 2")
        say(log, "bad 3")
        os.truncate(log, 0)
        say(log, "bad 4")
        log.unlink()
        say(log, "bad 5")
        site.kill("logger")
        site.kill("supervisor")
        log.rename(data / "p" / "y.old")
        with open(data / "p" / "y.old", "a") as file:
            file.write("bad 6\n")
        assert site.wait("watch", "puppet")["text"] == "bad 6"
        say(log, "bad 7")
        assert len(matches(site, "puppet")) == 7
    finally:
        shutil.rmtree(data)


def test_rotation_on_demand(open_site, user):
    """What was rotated is read with what came after; no name is lost while nobody writes the next file."""
    data = make_data(user)
    site = open_site(user, environ={"DATA": str(data), "LINES": "1"})
    try:
        folder = data / "p"
        folder.mkdir()
        log = folder / "x.log"
        log.write_text("bad 0\n")
        for path in (folder, log):
            os.chown(path, user.uid, user.gid)
        site.puppet("puppet")
        site.start()
        until(lambda: followed(site, "puppet", log), "it is followed")
        for number in (1, 2):
            if number == 1:
                with open(log, "a") as file:
                    file.write("bad 1\n")
            else:
                new = data / "new"  # under the service's name it belongs to its user from the first moment on
                new.write_text("bad 2\n")
                os.chown(new, user.uid, user.gid)
                new.rename(log)
            if number == 1:
                assert site.wait("watch", "puppet")["text"] == "bad 1"  # so it is known by now; the next one is not
            assert site.cli("rotate", "puppet").stdout == "puppet: rotated\n"
            until(lambda: not log.exists(), "it is renamed: nobody has it open")
            assert site.cli("logs", "puppet", "--file", "x.log", "-n", "1").stdout == f"bad {number}\n"
        until((folder / "x.log.2.gz").exists, "the older one is packed")
        assert content(folder / "x.log", is_begun=False) == b"bad 0\nbad 1\nbad 2\n"
        assert site.cli("logs", "puppet", "--file", "x.log").stdout == "bad 0\nbad 1\nbad 2\n"
    finally:
        shutil.rmtree(data)


def test_a_writer_that_does_not_append_is_let_alone(open_site, user):
    data = make_data(user)
    site = open_site(user, environ={"DATA": str(data), "LINES": "1"})
    try:
        site.start()
        site.do("start", services=["careless"])
        until((data / "careless.log.done").exists)
        until(lambda: "log-remark" in [event["kind"] for event in site.events()], "it is said")
        assert "does not append (O_APPEND)" in followed(site, "careless", data / "careless.log")
        assert (data / "careless.log").read_bytes() == b"".join(b"line %d\n" % number for number in range(1000))
        assert not (data / "careless.log.1").exists()
    finally:
        shutil.rmtree(data)


def test_links_devices_and_strangers(open_site, root):
    """What stands at a configured path may be planted: nothing is written, read for others or emptied through it."""
    data = make_data(root)
    site = open_site(root, environ={"DATA": str(data), "LINES": "1"})
    try:
        secret = data / "secret"
        secret.write_text("bad secret\n" * 10_000)
        plain = site.file("conf.d/a.yaml").read_text()
        site.file("conf.d/a.yaml").write_text(plain.replace("  puppet:\n", "  puppet:\n    user: nobody\n"))
        site.puppet("puppet")
        os.chown(site.path, 65534, 65534)
        os.chown(site.file("puppet.puppet"), 65534, 65534)
        folder = data / "p"
        folder.mkdir()
        os.chown(folder, 65534, 65534)
        (folder / "link.log").symlink_to(secret)
        os.link(secret, folder / "hard.log")
        os.mkfifo(folder / "fifo.log")
        (folder / "directory.log").mkdir()
        foreign = folder / "foreign.log"
        foreign.write_text("bad stranger\n")
        mine = folder / "mine.log"
        mine.write_text("old\n")
        os.chown(mine, 65534, 65534)
        site.start()
        site.do("start", services=["puppet"])
        facts = until(lambda: followed(site, "puppet", mine) and site.show("puppet")["facts"], "mine is followed")
        said = {key.rpartition("/")[2]: text for key, text in facts.items()}
        assert "symbolic link" in said["link.log"]
        assert "belongs to uid 0" in said["hard.log"]
        assert "FIFO" in said["fifo.log"]
        assert "directory" in said["directory.log"]
        assert "belongs to uid 0" in said["foreign.log"]
        # A copy's name that leads elsewhere is replaced, not followed.
        (folder / "mine.log.1").symlink_to(secret)
        (folder / ".mine.log.amonsup-cut").symlink_to(secret)
        with open(mine, "a") as file:
            file.write("bad own\n")
        site.do("rotate", services=["puppet"])
        until(lambda: (folder / "mine.log.1").is_file() and not (folder / "mine.log.1").is_symlink(), "it is rotated")
        assert (folder / "mine.log.1").read_text() == "old\nbad own\n"
        assert secret.read_text() == "bad secret\n" * 10_000
        assert site.wait("watch", "puppet")["text"] == "bad own"
        assert len(matches(site, "puppet")) == 1
    finally:
        shutil.rmtree(data)


def test_a_service_that_opens_its_log_again_at_reload(open_site, user):
    data = make_data(user)
    site = open_site(user, environ={"DATA": str(data), "LINES": "1"})
    try:
        site.start()
        site.do("start", services=["reopening"])
        until((data / "reopening.log.done").exists)
        until((data / "reopening.log.1").exists, "it was renamed")
        until((data / "reopening.log").exists, "it was opened again")
        assert content(data / "reopening.log") == b"".join(b"line %d\n" % number for number in range(3000))
        until(lambda: "rename and reload" in followed(site, "reopening", data / "reopening.log"), "the new one is seen")
    finally:
        shutil.rmtree(data)


def test_a_supervisor_that_dies_over_the_reload(open_site, user):
    """The file is renamed, the service not told yet: the successor makes up for it, or rotation would be over."""
    data = make_data(user)
    site = open_site(user, patches="eager_guardian", environ={"DATA": str(data), "LINES": "1"})
    try:
        site.start()
        site.do("start", services=["reopening"])
        supervisor = site.pid("supervisor")
        rotated = data / "reopening.log.1"
        while not rotated.exists():  # without a pause: it is a matter of a millisecond
            pass
        kill_hard(supervisor)
        until((data / "reopening.log").exists, "it was opened again")
        until((data / "reopening.log.done").exists)
        assert content(data / "reopening.log") == b"".join(b"line %d\n" % number for number in range(3000))
    finally:
        shutil.rmtree(data)


def test_they_are_read_as_the_services_user(open_site, root):
    """By whoever has the role; a link that the service planted leads nowhere."""
    data = make_data(root)
    site = open_site(root, environ={"DATA": str(data), "LINES": "1"})
    try:
        secret = data / "secret"
        secret.write_text("secret\n")
        plain = site.file("conf.d/a.yaml").read_text()
        site.file("conf.d/a.yaml").write_text(plain.replace("  puppet:\n", "  puppet:\n    user: nobody\n"))
        folder = data / "p"
        folder.mkdir(mode=0o700)
        (folder / "x.log").write_text("one\ntwo\n")
        (folder / "x.log.1").symlink_to(secret)
        (folder / "link.log").symlink_to(secret)
        for path in (folder, folder / "x.log"):
            os.chown(path, 65534, 65534)
        site.start()
        found = site.cli("logs", "puppet", "--file", "x.log")
        assert (found.returncode, found.stdout, found.stderr) == (0, "one\ntwo\n", "")
        every = site.cli("logs", "puppet", "--file", "*.log")
        assert (every.returncode, every.stdout) == (0, "x.log | one\nx.log | two\n")
        assert "link.log is a symbolic link" in every.stderr
        said = site.cli("--json", "logs", "puppet", "--file", "x.log").stdout
        documents = [json.loads(line) for line in said.splitlines()]
        path = f"{folder}/x.log"
        assert [(each["stream"], each["text"]) for each in documents] == [(path, "one"), (path, "two")]
        (folder / "x.log").rename(folder / "x.log.1")
        (folder / "x.log").write_text("three\n")
        os.chown(folder / "x.log", 65534, 65534)
        assert (
            site.cli("logs", "puppet", "--file", "x.log", "--cursor", documents[0]["cursor"]).stdout == "two\nthree\n"
        )
        unknown = site.cli("logs", "puppet", "--file", "y.log")
        assert unknown.returncode == 2
        assert "there are: link.log, x.log" in unknown.stderr
    finally:
        shutil.rmtree(data)
