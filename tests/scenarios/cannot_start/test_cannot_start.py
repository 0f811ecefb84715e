"""Programs and directories that are not there: said plainly, tried again, mended without a command."""

from __future__ import annotations

import os

import pytest

FAULTS = {
    "missing": "exec: No such file or directory: ./no-such-program",
    "forbidden": "exec: Permission denied: ./not-executable",
    "garbage": "exec: Exec format error: ./garbage",
    "once": "exec: No such file or directory: ./no-such-program",
    "nowhere": "working_dir: No such file or directory",
}


def prepared(open_site, who):
    site = open_site(who)
    site.write("not-executable", "#!/bin/sh\nexec sleep 1000\n")
    site.write("garbage", "\0\1\2\3")
    site.file("garbage").chmod(0o755)
    return site.start()


def test_each_fault_is_named_and_the_healthy_one_lives(open_site, who):
    site = prepared(open_site, who)
    healthy = site.running("healthy")["healthy"]
    for name, fault in FAULTS.items():
        assert fault in site.wait_any("spawn-failed", name)["text"], name
    assert site.state("once", "fatal")["why"] == FAULTS["once"]
    result = site.ask("start", services=["missing"])
    assert not result["ok"]
    assert FAULTS["missing"] in result["results"][0]["text"]
    assert FAULTS["missing"] in site.show("missing")["exits"][-1]["reason"]
    # Nobody was born, so nothing stands in the logs, and nothing was left behind.
    assert site.log("missing") == []
    assert "started" not in " ".join(site.transcript(*FAULTS))
    assert site.pid("healthy") == healthy


def test_mended_it_starts_by_itself(open_site, who):
    site = prepared(open_site, who)
    for name in FAULTS:
        site.wait_any("spawn-failed", name)
    site.write("no-such-program", "#!/bin/sh\nexec sleep 1000\n")
    for name in ("no-such-program", "not-executable"):
        site.file(name).chmod(0o755)
    site.mkdir("closed")
    site.running("missing", "forbidden", "nowhere", "healthy")
    assert site.row("once")["state"] == "fatal"
    site.do("start", services=["once"])


def test_a_directory_that_may_not_be_entered(open_site, user):
    """Root may enter everything; so this is for whoever is not."""
    site = open_site(user)
    site.mkdir("closed", 0)
    site.start()
    assert "working_dir: Permission denied" in site.wait_any("spawn-failed", "nowhere")["text"]
    site.file("closed").chmod(0o755)
    site.running("nowhere")


def test_a_service_user_who_may_not_enter_it(open_site, root):
    site = open_site(root)
    spec = "{command: sleep 1000, user: nobody, working_dir: '${SITE}/closed', backoff: {initial: 50ms}}"
    site.write("conf.d/cannot_start.yaml", f"services: {{nowhere: {spec}}}\n")
    site.mkdir("closed", 0o700)
    site.start()
    assert "working_dir: Permission denied" in site.wait_any("spawn-failed", "nowhere")["text"]
    os.chown(site.file("closed"), *owner("nobody"))
    site.running("nowhere")


def owner(name):
    import pwd

    entry = pwd.getpwnam(name)
    return entry.pw_uid, entry.pw_gid


@pytest.mark.parametrize("spawner", ["c", "python"])
def test_both_spawners_say_the_same(open_site, who, spawner):
    site = open_site(who, patches="doomed")
    if spawner == "python":
        site.write("spawn_in_python", "")
    site.write("not-executable", "")
    site.write("garbage", "\0\1\2\3")
    site.file("garbage").chmod(0o755)
    site.start()
    if site.show("supervisor")["facts"]["spawner"] != spawner:
        pytest.skip("the C spawner is not built")
    for name, fault in FAULTS.items():
        assert fault in site.wait_any("spawn-failed", name)["text"], name
