"""What the integration tests of dinit and Horust look at and no other scenario of ours did (docs/checklists.md)."""

from __future__ import annotations

import json
import pwd

from support.site import until


def test_what_a_service_is_born_with(open_site, who):
    """Variables of the daemon are filled in where they stand, its environment is not inherited."""
    site = open_site(who, environ={"WHO_CALLS": "the daemon's $HOME stays text", "SECRET_OF_THE_DAEMON": "x"}).start()
    site.do("start", services=["told"])
    told = json.loads(site.file("told.json").read_text())
    assert told["words"] == ["xxvar one/y", "the daemon's $HOME stays text", "${LITERAL}", ""]
    assert told["cwd"] == str(site.path)
    found = told["environment"]
    assert (found["BOTH"], found["FILE"], found["OWN"]) == ("of environment", "one two", f"{site.path}/x")
    assert "SECRET_OF_THE_DAEMON" not in found
    account = pwd.getpwuid(who.uid)
    assert (found["USER"], found["LOGNAME"], found["SHELL"]) == (account.pw_name, account.pw_name, account.pw_shell)
    assert found["AMONSUP_SERVICE"] == "told"


def test_a_service_without_a_directory_is_in_a_known_one(open_site, user):
    site = open_site(user).start()
    site.do("start", services=["homeless"])
    until(lambda: site.log("homeless"), "its word is in the log")
    assert site.log("homeless") == ["/"]


def test_each_is_asked_by_its_own_signal(open_site, user):
    site = open_site(user)
    signals = {"hup": "SIGHUP", "int": "SIGINT", "usr2": "SIGUSR2"}
    puppets = {name: site.puppet(name) for name in signals}
    site.start()
    for name, signal in signals.items():
        puppets[name].tell(f"note {signal}")
    site.do("stop", services=list(signals))
    for name, signal in signals.items():
        assert [line.split()[1:] for line in puppets[name].did()[-1:]] == [[signal]]


def test_the_whole_site_comes_up_and_goes_down_in_order(open_site, user):
    site = open_site(user).start()
    until(lambda: len(site.lines("upward")) == 3, "all three are up")
    assert site.lines("upward") == ["first", "second", "third"]
    assert site.shut_down() == 0
    assert site.lines("downward") == ["third", "second", "first"]


def test_a_start_that_fails_is_a_failed_command(open_site, user):
    """Exit status 1, and the reason in words."""
    site = open_site(user).start()
    for name, words in (("broken", "no-such-program"), ("slow", "start_timeout"), ("quitter", "exit 7")):
        done = site.cli("start", name)
        assert (done.returncode, words in done.stdout + done.stderr) == (1, True), (name, done)
    assert site.log("quitter") == ["last words"]


def test_a_dependency_can_be_taken_away_and_given_back(open_site, user):
    """By an apply, on services that run: nobody is restarted for it, the order of stops follows."""
    site = open_site(user).start()
    lives = site.running("first", "second", "third")
    text = site.file("conf.d/checklist.yaml").read_text()
    site.write("conf.d/checklist.yaml", text.replace(", depends_on: [first]", ""))
    site.do("apply")
    assert site.running("first", "second", "third") == lives
    site.do("stop", services=["first"])
    assert site.lines("downward") == ["first"], "nobody needs it any more"
    site.write("conf.d/checklist.yaml", text)
    site.do("apply")
    assert site.row("second")["pid"] == lives["second"], "a new dependency ends nobody who runs"
    assert site.row("first")["state"] == "stopped", "nor does it undo a person's stop"
    site.do("stop", services=["second"])
    assert site.lines("downward") == ["first", "third", "second"]
    site.do("start", services=["second"])
    assert site.row("first")["state"] == "running", "a start fetches what is needed"
