"""What a birth costs: spawn() in C and in Python, plain and with everything, beside what C can reach at best.

    .venv/bin/python benchmarks/spawn_ways.py [megabytes the parent shall have]

Measured is the call, in milliseconds: until the child's program has been exec'ed, without reaping it. The
floor is posix_spawn(3) by ctypes. Each birth comes 60 ms after the one before, since moving a process between
cgroups is cheap in a burst and dear in real life (facts.md, 'Spawning'). One way after the other, not in
turns: a migration between cgroups slows the forks after it, whoever's they are. 'Everything' is user, groups,
a limit, no_new_privileges and a cgroup of v2.
"""

from __future__ import annotations

import ctypes
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from amonsup.supervisor.adapters import spawn as spawner
from amonsup.supervisor.adapters.spawn import Birth, Born

ROUNDS = 50
GAP_S = 0.06
PROGRAM = "/bin/true"
NOBODY = 65534


def floor() -> Callable[[], int]:
    libc = ctypes.CDLL(None)
    argv = (ctypes.c_char_p * 2)(PROGRAM.encode(), None)
    environment = (ctypes.c_char_p * 1)(None)
    pid = ctypes.c_int()

    def bear() -> int:
        assert libc.posix_spawn(ctypes.byref(pid), PROGRAM.encode(), None, None, argv, environment) == 0
        return pid.value

    return bear


def way(kind: str, birth: Birth) -> Callable[[], int]:
    def bear() -> int:
        born = spawner.spawn_by(kind, birth)
        assert isinstance(born, Born), born
        os.close(born.pidfd)
        return born.pid

    return bear


def new_cgroup() -> Path | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, filesystem, *_ = line.split()
        if filesystem == "cgroup2" and os.geteuid() == 0:
            path = Path(place) / f"amonsup-bench-{os.getpid()}"
            path.mkdir()
            return path
    return None


def measure(bear: Callable[[], int]) -> list[float]:
    times = []
    for _ in range(ROUNDS + 2):
        time.sleep(GAP_S)
        start = time.perf_counter()
        pid = bear()
        times.append((time.perf_counter() - start) * 1000)
        os.waitpid(pid, 0)
    return times[2:]  # the first ones warm the caches


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    ballast = bytearray(os.urandom(1024) * (megabytes * 1024))
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    plain = Birth((PROGRAM,), (), "", null, null, null)
    cgroup = new_cgroup()
    ways = {"floor: posix_spawn": floor()}
    ways |= {f"{kind}: plain": way(kind, plain) for kind in sorted(spawner.IMPLEMENTATIONS)}
    try:
        if cgroup is not None:
            everything = msgspec.structs.replace(
                plain,
                uid=NOBODY,
                gid=NOBODY,
                groups=(NOBODY,),
                limits=((4, 0, 0),),
                no_new_privileges=True,
                cgroup_fd=os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC),
            )
            ways |= {f"{kind}: everything": way(kind, everything) for kind in sorted(spawner.IMPLEMENTATIONS)}
        else:
            print("no root or no cgroup v2: without the births with everything")
        times = {name: measure(bear) for name, bear in ways.items()}
        if cgroup is not None and "c" in spawner.IMPLEMENTATIONS:
            # What the kernel keeps for a cgroup with somebody in it, it makes anew for an empty one.
            sleeper = msgspec.structs.replace(everything, argv=("/bin/sleep", "600"))
            other = way("c", sleeper)()
            try:
                times["c: cgroup not empty"] = measure(ways["c: everything"])
            finally:
                os.kill(other, signal.SIGKILL)
                os.waitpid(other, 0)
    finally:
        if cgroup is not None:
            cgroup.rmdir()
    print(f"ms of {ROUNDS}, parent with {len(ballast) >> 20} MB more than it needs")
    print(f"{'':24}{'median':>8}{'p90':>8}{'min':>8}")
    for name, values in times.items():
        ninety = statistics.quantiles(values, n=10)[-1]
        print(f"{name:24}{statistics.median(values):8.2f}{ninety:8.2f}{min(values):8.2f}")


if __name__ == "__main__":
    main()
