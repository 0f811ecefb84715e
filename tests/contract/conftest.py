"""Children for the contract of the spawner: looked at from outside, ended and reaped by their own number.

Most tests look at a `cat` that waits for its input, through /proc: no probe of ours runs in the child, so
nothing of an interpreter (it sets handlers, opens files, reads the environment) stands between the spawner
and the test.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from amonsup.supervisor.adapters import spawn as spawner
from amonsup.supervisor.adapters.spawn import Birth, Born, SpawnFailure

ROOT = Path(__file__).parents[2]
CAT = os.path.realpath("/bin/cat")


@pytest.fixture(params=["c", "python"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param not in spawner.IMPLEMENTATIONS:
        pytest.skip("the C spawner is not built here, or clone3 is refused")
    return str(request.param)


class Child:
    """A born child with the other ends of its stdin and stdout."""

    def __init__(self, born: Born, stdin: int, stdout: int) -> None:
        self.pid, self.pidfd, self.stdin, self.stdout = born.pid, born.pidfd, stdin, stdout
        self.proc = Path(f"/proc/{born.pid}")

    def status(self, name: str) -> str:
        lines = (self.proc / "status").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))

    def descriptors(self) -> dict[int, str]:
        names = [int(name) for name in os.listdir(self.proc / "fd")]
        return {name: os.readlink(self.proc / "fd" / str(name)) for name in names}

    def limit(self, name: str) -> list[str]:
        lines = (self.proc / "limits").read_text().splitlines()
        return next(line[len(name) :].split()[:2] for line in lines if line.startswith(name))

    def output(self) -> bytes:
        parts = []
        while part := os.read(self.stdout, 65536):
            parts.append(part)
        return b"".join(parts)

    def wait(self) -> int:
        """Reap it; the exit code, or minus the signal that ended it."""
        report = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        assert report is not None
        assert report.si_pid == self.pid
        return report.si_status if report.si_code == os.CLD_EXITED else -report.si_status


class Nursery:
    """Starts children by one implementation and sees to their end."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.children: list[Child] = []
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    def birth(self, *argv: str, **rest: object) -> Birth:
        plain = Birth(argv or (CAT,), (), "", self.null, self.null, self.null)
        return msgspec.structs.replace(plain, **rest)

    def failure(self, *argv: str, **rest: object) -> SpawnFailure:
        answer = spawner.spawn_by(self.kind, self.birth(*argv, **rest))
        if isinstance(answer, Born):
            self._adopt(answer, -1, -1)
        assert isinstance(answer, SpawnFailure), "there should be no child"
        return answer

    def start(self, *argv: str, **rest: object) -> Child:
        """A child with pipes as stdin and stdout; stderr is ours, so that pytest shows what it says."""
        stdin, our_stdin = os.pipe()
        our_stdout, stdout = os.pipe()
        try:
            given = {"stdin_fd": stdin, "stdout_fd": stdout, "stderr_fd": 2} | rest
            answer = spawner.spawn_by(self.kind, self.birth(*argv, **given))
        finally:
            os.close(stdin)
            os.close(stdout)
        child = self._adopt(answer, our_stdin, our_stdout) if isinstance(answer, Born) else None
        assert child is not None, answer
        return child

    def cat(self, **rest: object) -> Child:
        """A cat that waits: it has answered once, so the dynamic linker's files are closed again."""
        child = self.start(CAT, **rest)
        os.write(child.stdin, b"x")
        assert os.read(child.stdout, 9) == b"x"
        return child

    def says(self, *argv: str, **rest: object) -> bytes:
        child = self.start(*argv, **rest)
        output = child.output()
        assert child.wait() == 0
        return output

    def _adopt(self, born: Born, stdin: int, stdout: int) -> Child:
        child = Child(born, stdin, stdout)
        self.children.append(child)
        return child

    def close(self) -> None:
        for child in self.children:
            try:
                signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
                os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
            except (ProcessLookupError, ChildProcessError):
                pass  # the test has seen its end
            for fd in (child.pidfd, child.stdin, child.stdout):
                if fd >= 0:
                    os.close(fd)
        os.close(self.null)


@pytest.fixture
def nursery(kind: str) -> Iterator[Nursery]:
    nursery = Nursery(kind)
    yield nursery
    nursery.close()


def _mount_point(kind: str, option: str = "") -> Path | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, filesystem, options, *_ = line.split()
        if filesystem == kind and (not option or option in options.split(",")):
            return Path(place)
    return None


@pytest.fixture
def new_cgroup(request: pytest.FixtureRequest) -> Iterator[Callable[..., Path]]:
    """Makes cgroups (of v2, or of a controller of v1), which are removed after the children's end."""
    made: list[Path] = []

    def new(controller: str = "") -> Path:
        mount = _mount_point("cgroup", controller) if controller else _mount_point("cgroup2")
        if os.geteuid() != 0 or mount is None:
            pytest.skip(f"needs root and a cgroup mount ({controller or 'v2'})")
        path = mount / f"amonsup-test-{os.getpid()}-{len(made)}"
        path.mkdir()
        made.append(path)
        return path

    yield new
    # The children are in there: they have to go first, whatever the order of the fixtures.
    if "nursery" in request.fixturenames:
        nursery: Nursery = request.getfixturevalue("nursery")
        for child in nursery.children:
            try:
                signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
                os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
            except (ProcessLookupError, ChildProcessError):
                pass
    for path in made:
        if path.exists():
            path.rmdir()


@pytest.fixture
def in_a_process() -> Callable[..., bytes]:
    """Runs Python in a process of its own, for what would spoil ours: its limits, its user, its 0 to 2."""

    def run(code: str, *arguments: str, **options: object) -> bytes:
        prelude = (
            "import errno, json, os, resource, signal, sys\n"
            "from amonsup.supervisor.adapters import spawn as spawner\n"
            "from amonsup.supervisor.adapters import spawn_python  # before rights and memory become short\n"
            "from amonsup.supervisor.adapters.spawn import Birth, Born, SpawnFailure\n"
        )
        end = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", prelude + code, *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            **options,  # type: ignore[call-overload]
        )
        assert end.returncode == 0, end.stderr.decode()
        return bytes(end.stdout)

    return run
