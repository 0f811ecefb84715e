"""Limits: a child is born with them, they are enforced for the whole service, and they change while it runs.

What needs a controller of cgroups needs root, and is left out with the reason where there is none.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest
from support.site import is_alive, kill_hard, until


@pytest.fixture
def site(open_site, root):
    return open_site(root).start()


def needs(site, controller):
    offered = site.show("supervisor")["facts"]["limits"]
    if controller not in offered:
        pytest.skip(f"no {controller} controller can be used here: {offered}")


def limit(pid, name):
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line[len(name) :].split()[:2] for line in lines if line.startswith(name))


def cgroup_file(pid, controller, v2, v1):
    """The content of the file that limits a process, in whichever version."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if "/amonsup-" in path:
            for mount in (f"/sys/fs/cgroup/{controller}", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
                for file in (v1, v2):
                    found = Path(f"{mount}{path}/{file}")
                    if controller in names.split(",") or (not names and found.exists() and file == v2):
                        return found.read_text().strip()
    return None


def pids_max(pid):
    return cgroup_file(pid, "pids", "pids.max", "pids.max")


def test_what_a_child_is_born_with(open_site, who):
    pid = open_site(who).start().running("born")["born"]
    assert limit(pid, "Max open files") == ["100", "200"]
    assert limit(pid, "Max core file size") == ["0", "0"]
    assert limit(pid, "Max processes") == ["5000", "5000"]
    assert os.getpriority(os.PRIO_PROCESS, pid) == 7
    assert ctypes.CDLL(None).syscall({"x86_64": 252, "aarch64": 31}[os.uname().machine], 1, pid) == 2 << 13 | 6
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "300\n"
    assert os.sched_getaffinity(pid) == {0}
    assert "Umask:\t0077" in Path(f"/proc/{pid}/status").read_text()


def test_what_a_plain_user_cannot_have_is_named(open_site, user):
    site = open_site(user)
    site.write("conf.d/site.yaml", "services: {s: {command: sleep 9, nice: -5, start_limit: {count: 1, within: 1h}}}\n")
    site.start()
    assert "nice: Permission denied: -5" in site.wait("spawn-failed", "s")["text"]


def test_capabilities(open_site, root):
    site = open_site(root)
    body = "{command: sleep 1000, user: nobody, cap_drop: [ALL], cap_add: [NET_BIND_SERVICE], no_new_privileges: true}"
    site.write("conf.d/site.yaml", f"services:\n  s: {body}\n  r: {{command: sleep 1000, cap_drop: [chown]}}\n")
    pids = site.start().running("s", "r")
    status = Path(f"/proc/{pids['s']}/status").read_text()
    for name in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
        assert f"Cap{name}:\t{1 << 10:016x}" in status
    assert "NoNewPrivs:\t1" in status
    lines = Path(f"/proc/{pids['r']}/status").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1], 16) for line in lines if line.startswith("Cap")}
    assert found["CapEff"] == found["CapBnd"]
    assert found["CapEff"]
    assert not found["CapEff"] & 1


def test_out_of_memory_is_named(site):
    needs(site, "memory")
    outcome = site.ask("start", services=["hog"])
    site.state("hog", "exited")
    exit_row = site.show("hog")["exits"][-1]
    assert exit_row["oom"], outcome
    assert (exit_row["signal"], exit_row["reason"]) == ("SIGKILL", "out of memory (killed by SIGKILL)")
    assert "1 of its processes" in site.show("hog")["facts"]["oom kills"]
    # A kill by somebody else right after it is not put down to memory.
    site.do("start", services=["busy"])
    kill_hard(site.pid("busy"))
    assert not site.wait("exited", "busy")["text"].startswith("out of memory")


def test_out_of_memory_is_noticed_by_a_successor_too(site):
    needs(site, "memory")
    command = "[sh, -c, 'read x < go; exec ${PYTHON} hog.py']"
    keys = f"command: {command}, working_dir: '${{SITE}}', restart: no, mem_limit: 48MiB, min_uptime: 0s"
    site.write("conf.d/slow.yaml", f"services: {{slow: {{{keys}}}}}\n")
    os.mkfifo(site.file("go"))
    site.do("apply")
    site.running("slow")
    site.kill("supervisor")
    site.answers()
    site.file("go").write_text("go\n")
    assert "out of memory" in site.wait("exited", "slow")["text"]


def test_a_child_that_memory_ran_out_for_is_told_of(site):
    """Its parent lives on: no end of the service, but show knows."""
    needs(site, "memory")
    site.do("start", services=["parent"])
    until(lambda: "oom kills" in site.show("parent")["facts"], "the kernel has killed the child")
    assert site.row("parent")["state"] == "running"


def test_processors_are_shared_out(site):
    needs(site, "cpu")
    site.do("start", services=["busy"])
    until(lambda: "throttled" in site.show("busy")["facts"], "busy has used up its share")


def test_no_more_processes_than_that(site):
    needs(site, "pids")
    site.do("start", services=["many"])
    until(lambda: site.lines("forked"), "a fork fails")
    assert site.lines("forked") == ["5"]  # itself is one of the six
    assert site.ask("status", services=["many"], usage=True)["services"][0]["tasks"] == 6
    site.do("stop", services=["many"], kill=True)


def test_changed_in_place(site):
    needs(site, "pids")
    needs(site, "memory")
    pids = site.running("plain", "family")
    text = site.file("conf.d/site.yaml").read_text()
    more = text.replace("plain: {command: sleep 1000", "plain: {command: sleep 1000, mem_limit: 64MiB, pids_limit: 50")
    more = more.replace("family: {", "family: {pids_limit: 20, cpuset: '0', cpus: 0.5, ")
    site.write("conf.d/site.yaml", more)
    plan = {change["name"]: change["action"] for change in site.ask("apply", dry_run=True)["changes"]}
    assert plan == {"plain": "change", "family": "change"}
    site.do("apply")
    assert site.running("plain", "family") == pids
    assert pids_max(pids["plain"]) == "50"
    assert cgroup_file(pids["plain"], "memory", "memory.max", "memory.limit_in_bytes") == str(64 << 20)
    children = Path(f"/proc/{pids['family']}/task/{pids['family']}/children").read_text().split()
    assert len(children) == 2
    assert [pids_max(int(pid)) for pid in children] == ["20", "20"]
    assert os.sched_getaffinity(int(children[0])) == {0}
    assert site.ask("status", services=["family"], usage=True)["services"][0]["tasks"] == 3

    site.write("conf.d/site.yaml", more.replace("pids_limit: 20", "pids_limit: 30"))
    site.kill("supervisor")  # a successor goes on from there
    site.do("apply")
    assert pids_max(pids["family"]) == "30"
    site.write("conf.d/site.yaml", text)
    site.do("apply")
    assert site.running("plain", "family") == pids
    assert pids_max(pids["plain"]) in (None, "max")
    assert not site.warnings()


def places(site):
    return [path for path in site._v1_cgroups() if os.path.isdir(path)]


def test_nothing_is_left_in_the_hierarchies(site):
    needs(site, "pids")
    site.do("start", services=["many"])
    pid = site.running("many")["many"]
    assert pids_max(pid) == "6"
    bases = places(site)
    text = site.file("conf.d/site.yaml").read_text()
    site.write("conf.d/site.yaml", "".join(line for line in text.splitlines(True) if "many:" not in line))
    site.do("apply")
    assert not is_alive(pid)
    assert not any(os.path.exists(f"{base}/many") for base in bases)
    guardian, supervisor = site.guardian(), site.pid("supervisor")
    kill_hard(guardian, supervisor)
    site.process.wait()
    for base in bases:
        os.makedirs(f"{base}/stranger", exist_ok=True)  # of a service that nobody knows any more
    site.start()
    assert not any(os.path.exists(f"{base}/stranger") for base in bases)
    site.shut_down()
    assert not any(os.path.exists(base) for base in bases)


def test_without_the_right_to_make_cgroups_the_service_runs_and_it_is_said(open_site, user):
    site = open_site(user)
    site.write(
        "conf.d/site.yaml", "services: {s: {command: sleep 1000, mem_limit: 1GiB, pids_limit: 5, cpuset: '0'}}\n"
    )
    pid = site.start().running("s")["s"]
    if "pids" in site.show("supervisor")["facts"]["limits"]:
        pytest.skip("this user may make cgroups")
    assert os.sched_getaffinity(pid) == {0}
    warnings = site.warnings()
    assert "s: mem_limit is not enforced" in warnings
    assert "s: pids_limit is not enforced" in warnings
    assert "cpuset" not in warnings
    assert "mem_limit is not enforced" in site.show("s")["facts"]["limits"]
    checked = site.cli("check")
    assert checked.returncode == 0
    assert "services.s.mem_limit: will not be enforced" in checked.stdout + checked.stderr
