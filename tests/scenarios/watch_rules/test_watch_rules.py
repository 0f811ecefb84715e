"""Watch rules on what services print: each match told once, whoever is killed; restarts that do not spin."""

from __future__ import annotations

import random

from support.site import frozen, kill_hard, until

MATCHES = 1000
KILLS = 6


def matches(site, service):
    return [event for event in site.events() if event.get("match") and event["service"] == service]


def counted(site, service):
    return sum(1 + event.get("suppressed", 0) for event in matches(site, service))


def test_events_alerts_and_restarts(open_site, user):
    site = open_site(user)
    puppet = site.puppet("puppet")
    site.start()
    puppet.tell("print all is well")
    puppet.tell("print bad \x1b[31mluck")
    event = site.wait("watch", "puppet")
    assert (event["rule"], event["text"], event["generation"]) == ("^bad", "bad ?[31mluck", 1)
    assert event["cursor"] == "puppet.log@12"
    for number in range(3):
        puppet.tell(f"print sorry {number}")
    assert site.wait("alert", "puppet")["text"] == "sorry 0"
    puppet.tell("print Traceback (most recent call last):")
    puppet.tell('print   File "x.py", line 1')
    puppet.tell("print ValueError: no luck")
    assert site.wait("alert", "puppet")["text"] == "ValueError: no luck"
    puppet.tell("print restart me", waits=False)  # it may be dead before it can say that it did
    until(lambda: len(puppet.lives()) == 2)
    event = site.wait("failed", "puppet")
    assert event["text"] == "watch rule restart me: restart me"
    assert site.running("puppet")
    last = site.show("puppet")["exits"][-1]
    assert "watch rule restart me" in last["reason"]
    assert [each["text"] for each in matches(site, "puppet")] == [
        "bad ?[31mluck",
        "sorry 0",
        "ValueError: no luck",
        "restart me",
    ]
    words = site.cli("events", "puppet").stdout
    assert "^bad: bad ?[31mluck" in words


def test_a_rule_that_matches_after_each_start_does_not_spin(open_site, user):
    site = open_site(user)
    site.start()
    site.do("start", services=["spinner"])
    site.wait("backoff", "spinner")
    assert site.row("spinner")["generation"] == 2
    assert len(matches(site, "spinner")) == 2


def test_a_last_line_of_a_life_does_not_restart_the_next_one(open_site, user):
    """It is judged when the service has ended by itself and lives again."""
    site = open_site(user)
    puppet = site.puppet("puppet")
    site.start()
    with frozen(site.pid("logger")):
        puppet.tell("print restart me")
        puppet.tell("exit 1", waits=False)
        until(lambda: len(puppet.lives()) == 2)
    assert site.wait("watch", "puppet")["generation"] == 1
    puppet.tell("print bad")
    assert site.wait("watch", "puppet")["generation"] == 2
    assert len(puppet.lives()) == 2


def test_every_match_once_through_kills(open_site, user):
    """Logger and supervisor die at random moments, alone and together, while lines come and files rotate."""
    site = open_site(user, patches="hasty")
    site.start()
    site.do("start", services=["writer"])
    chance = random.Random(7)
    for kill in range(KILLS):
        # What comes too often is suppressed and counted by then, and the count is told with what comes later.
        until(lambda wanted=MATCHES * kill // KILLS: counted(site, "writer") >= wanted, "some more are told")
        pids = site.running("logger", "supervisor")
        names = chance.choice([["logger"], ["supervisor"], ["logger", "supervisor"]])
        kill_hard(*(pids[name] for name in names))
    until(lambda: counted(site, "writer") >= MATCHES, "all are counted")
    found = matches(site, "writer")
    assert counted(site, "writer") == MATCHES
    cursors = [event["cursor"] for event in found if not event.get("suppressed")]
    assert len(set(cursors)) == len(cursors)


def test_rules_change_with_an_apply(open_site, user):
    site = open_site(user)
    puppet = site.puppet("puppet")
    site.start()
    pid = site.pid("puppet")
    text = site.file("conf.d/a.yaml").read_text()
    site.write("conf.d/a.yaml", text.replace('"^bad"', '"^good"'))
    site.do("apply")
    puppet.tell("print bad")
    puppet.tell("print good")
    assert site.wait("watch", "puppet")["text"] == "good"
    assert site.pid("puppet") == pid
    assert len(matches(site, "puppet")) == 1


def test_a_pattern_that_re2_refuses(open_site, user):
    site = open_site(user)
    site.start()
    text = site.file("conf.d/a.yaml").read_text()
    site.write("conf.d/a.yaml", text.replace('"^bad"', '"(bad"'))
    done = site.cli("check")
    assert done.returncode == 2
    assert "a.yaml:7:19: services.puppet.logging.watch[0].match: missing ): (bad" in done.stdout
    assert site.refused("apply")["code"] == "invalid"
