"""The log directory cannot be written: the services go on, it is said, and nothing is lost once it can be again."""

from __future__ import annotations

from support.site import kill_hard, until


def test_what_is_said_waits(open_site, user):
    """The logger has no log open yet, and may not make one."""
    site = open_site(user, patches="hasty")
    puppet = site.puppet("puppet")
    site.mkdir("log")
    site.start()
    pid = site.running("puppet")["puppet"]
    until(puppet.lives)
    site.log_dir.chmod(0o500)
    puppet.tell("print said in vain")
    trouble = site.wait("log-trouble")
    assert "puppet.log: Permission denied" in trouble["text"]
    assert "log of puppet" in site.warnings()
    puppet.tell("print still there")
    assert site.pid("puppet") == pid
    # Even with a new logger, a new supervisor and a new life in between.
    site.kill("logger")
    site.kill("supervisor")
    kill_hard(pid)
    until(lambda: len(puppet.lives()) == 2)
    puppet.tell("print born again")
    assert site.log("puppet") == []

    site.log_dir.chmod(0o700)
    until(lambda: len(site.log("puppet")) == 3, "everything arrives")
    assert site.log("puppet") == ["said in vain", "still there", "born again"]
    site.wait("log-recovered")
    assert site.warnings() == ""
