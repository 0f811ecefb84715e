"""What a stop, a start and a shutdown wait for, asked by `blocking` and told by the command that waits."""

from __future__ import annotations

import re

from support.site import ourselves


def waits_of(result, name):
    (found,) = [service for service in result["services"] if service["name"] == name]
    return found["waits_for"]


def test_a_stop_waits_for_dependants_and_processes(open_site, who):
    site = open_site(who)
    db, ce = site.puppet("db"), site.puppet("ce")
    site.start()
    pids = site.running("db", "ce")
    assert site.ask("blocking") == {"operations": [], "services": [], "logs": []}
    ce.tell("note SIGTERM")
    db.tell("note SIGTERM")
    with site.connect() as client:
        request_id = client.request("stop", services=["db"])
        ce.wait("SIGTERM")
        result = site.ask("blocking")
        (operation,) = result["operations"]
        assert (operation["id"], operation["verb"], operation["left"]) == (request_id, "stop", ["db"])
        (dependant,) = waits_of(result, "db")
        assert (dependant["kind"], dependant["name"]) == ("dependant", "ce")
        (process,) = waits_of(result, "ce")
        assert (process["kind"], process["pid"], process["text"]) == ("process", pids["ce"], "told to stop")
        assert "puppet.py ce" in process["command"]
        assert 3500 < process["kill_in_s"] <= 3600
        assert [service["name"] for service in site.ask("blocking", services=["ce"])["services"]] == ["ce"]
        shown = site.cli("blocking").stdout
        assert "dependant ce: stopping" in shown
        assert f"process {pids['ce']} " in shown
        assert "SIGKILL in 59m" in shown
        ce.tell("exit 0")
        db.wait("SIGTERM")
        assert [each["pid"] for each in waits_of(site.ask("blocking"), "db")] == [pids["db"]]
        db.tell("exit 0")
        assert client.last_word(request_id)["result"]["ok"]
    assert site.cli("blocking").stdout == "nothing is under way\n"


def test_a_start_waits_for_readiness_and_a_shutdown_for_everything(open_site):
    site = open_site(ourselves())
    site.puppet("db"), site.puppet("ce")
    slow = site.puppet("slow")
    site.start()
    with site.connect() as client:
        start = client.request("start", services=["later"])
        slow.wait("begin")
        result = site.ask("blocking")
        assert [each["kind"] for each in waits_of(result, "slow")] == ["readiness"]
        assert "READY=1" in waits_of(result, "slow")[0]["text"]
        assert [(each["kind"], each["name"]) for each in waits_of(result, "later")] == [("dependency", "slow")]
        slow.tell("notify READY=1")
        assert client.last_word(start)["result"]["ok"]
    slow.tell("note SIGTERM")
    site.talk("status")
    with site.connect() as client:
        client.request("shutdown")
        slow.wait("SIGTERM")
        result = site.ask("blocking")
        assert [operation["verb"] for operation in result["operations"]] == ["shutdown"]
        assert "slow" in result["operations"][0]["left"]
        slow.tell("exit 0")


def test_hooks_preflights_and_reloads_are_waited_for(open_site, user):
    site = open_site(user)
    main, *errands = (site.puppet(name) for name in ("main", "pre_start", "preflight", "pre_stop"))
    site.start()

    def waits(puppet):
        """What `hooked` waits for once the puppet is there; of an errand with its process, and nothing else."""
        puppet.wait("begin")
        (found,) = waits_of(site.ask("blocking"), "hooked")
        assert (found["kind"], found["pid"]) == ("errand", puppet.lives()[-1])
        assert f"puppet.py {puppet.name}" in found["command"]
        assert re.fullmatch(f"{puppet.name} is not done; killed in (59m.*|1h)", found["text"])
        puppet.tell("exit 0")

    pre_start, preflight, pre_stop = errands
    with site.connect() as client:
        start = client.request("start", services=["hooked"])
        waits(pre_start)
        main.tell("notify READY=1")
        assert client.last_word(start)["result"]["ok"]
        main.tell("note SIGHUP")
        reload = client.request("reload", services=["hooked"])
        waits(preflight)
        main.wait("SIGHUP")
        main.tell("notify RELOADING=1")
        site.wait("reloading", "hooked")
        (found,) = waits_of(site.ask("blocking"), "hooked")
        assert (found["kind"], found["pid"]) == ("readiness", main.lives()[0])
        assert found["text"].startswith("has not said READY=1 after its reload; given up in ")
        main.tell("notify READY=1")
        assert client.last_word(reload)["result"]["ok"]
        stop = client.request("stop", services=["hooked"])
        waits(pre_stop)
        assert client.last_word(stop)["result"]["ok"]


def test_a_person_who_waits_sees_it(open_site, tmux):
    site = open_site(ourselves())
    db, ce = site.puppet("db"), site.puppet("ce")
    site.start()
    pids = site.running("db", "ce")
    ce.tell("note SIGTERM")
    db.tell("note SIGTERM")
    terminal = tmux(site, size=(100, 24)).start("stop", "db")
    ce.wait("SIGTERM")
    terminal.wait(f"waiting for ce: process {pids['ce']} ", "s")
    ce.tell("exit 0")
    terminal.wait(f"waiting for db: process {pids['db']} ")
    db.tell("exit 0")
    screen = terminal.wait("db: stopped", "ended with 0", gone="waiting for")
    assert "ce: stopped" not in screen, "it was not asked for"
