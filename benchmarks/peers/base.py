"""What every adapter has in common."""

from __future__ import annotations

import abc
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import procfs
from lab import Lab, LabError, Stamp, end_processes, tree_of


class NotInstalledError(Exception):
    """A peer is not installed; the text names the package."""


@dataclass(frozen=True)
class Service:
    """One service to supervise: the stamp program under a name. The user is honoured by amonsup only."""

    name: str
    user: str = ""
    no_new_privileges: bool = False


def services_named(prefix: str, count: int) -> list[Service]:
    """`count` services, prefix0, prefix1 …"""
    return [Service(f"{prefix}{number}") for number in range(count)]


class Peer(abc.ABC):
    """A supervisor. `prepare` writes its configuration into a home, `launch` starts it there."""

    name: str
    package: str
    program: str
    stop_signal: signal.Signals = signal.SIGTERM
    stop_patience: float = 30.0

    def __init__(self, lab: Lab, use_shell: bool = False) -> None:
        """With `use_shell` runit and s6 get the customary #!/bin/sh script; else run *is* the service."""
        self.lab = lab
        self.use_shell = use_shell

    def path(self) -> str:
        """Where the program is; NotInstalledError, with the package to install, if it is not."""
        found = shutil.which(self.program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin")
        if found is None:
            raise NotInstalledError(f"{self.name}: {self.program} is not installed (apt-get install {self.package})")
        return found

    @abc.abstractmethod
    def prepare(self, home: Path, services: list[Service]) -> None:
        """Write the configuration of these services."""

    @abc.abstractmethod
    def command(self, home: Path, services: list[Service]) -> list[str]:
        """The argv that starts the supervisor in the foreground."""

    def supervising(self, running: Running) -> dict[str, list[int]]:
        """The pids of the processes that supervise, by role; the services are not among them."""
        everyone = [running.pid, *procfs.descendants(running.pid)]
        return {self.name: [pid for pid in everyone if procfs.program(pid) != str(self.lab.stamp)]}

    def launch(self, home: Path, services: list[Service]) -> Running:
        """Start it on a prepared home, and return at once."""
        self.lab.stamps.forget()
        return self.launch_beside(home, services)

    def launch_beside(self, home: Path, services: list[Service]) -> Running:
        """Start it while other supervisors run: their stamps are kept."""
        argv = self.command(home, services)
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": os.environ.get("HOME", "/"),
            "AMONSUP_BENCH_FIFO": str(self.lab.stamps.path),
        }
        with (home / "supervisor.out").open("ab") as output:
            started_ns = time.monotonic_ns()
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=home,
                env=environment,
                start_new_session=True,  # ^C at the terminal is for the harness, which stops in order
            )
        return Running(self, home, services, process, started_ns)

    def start(self, services: list[Service]) -> Running:
        """Prepare a fresh home and launch."""
        home = self.lab.home(self.name)
        self.prepare(home, services)
        return self.launch(home, services)

    def stamp_command(self, service: Service) -> list[str]:
        """The argv of a service."""
        return [str(self.lab.stamp), str(self.lab.stamps.path), service.name]

    def write_run(self, directory: Path, service: Service) -> None:
        """A service directory of the daemontools kind."""
        directory.mkdir(parents=True)
        run = directory / "run"
        if self.use_shell:
            run.write_text("#!/bin/sh\nexec " + " ".join(self.stamp_command(service)) + "\n")
            run.chmod(0o755)
        else:
            run.symlink_to(self.lab.stamp)


class Running:
    """A supervisor that was started. Use it as a context: it is stopped at the end, whatever happens."""

    def __init__(
        self,
        peer: Peer,
        home: Path,
        services: list[Service],
        process: subprocess.Popen[bytes],
        started_ns: int,
    ) -> None:
        """What `Peer.launch` has."""
        self.peer = peer
        self.home = home
        self.services = services
        self.process = process
        self.started_ns = started_ns
        self.pids: dict[str, int] = {}

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self.process.pid

    def wait_all(self, timeout: float = 120.0) -> dict[str, Stamp]:
        """Wait until every service has run its first instruction."""
        try:
            stamps = self.peer.lab.stamps.all_of((s.name for s in self.services), timeout, self.process)
        except LabError as error:
            raise LabError(f"{error}; it said: {self.last_words()}") from None
        self.pids = {name: stamp.pid for name, stamp in stamps.items()}
        return stamps

    def last_words(self) -> str:
        """The end of what the supervisor printed."""
        lines = (self.home / "supervisor.out").read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-4:]) or "nothing"

    def supervising(self) -> dict[str, list[int]]:
        """See Peer.supervising."""
        return self.peer.supervising(self)

    def stop(self) -> None:
        """Ask it to stop everything; kill by pid what of its tree is left after a while."""
        family = tree_of(self.pid)
        if self.process.poll() is None:
            self.process.send_signal(self.peer.stop_signal)
            try:
                self.process.wait(self.peer.stop_patience)
            except subprocess.TimeoutExpired:
                family |= tree_of(self.pid)
                self.process.kill()
                self.process.wait()
        killed = end_processes(family, 5.0)
        if killed:
            print(f"  note: {self.peer.name} left {killed} processes after its stop; killed", flush=True)

    def __enter__(self) -> Running:
        """Enter."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()
