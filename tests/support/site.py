"""A real site for a scenario: a temporary directory, a started amonsupd, and ways to look at both and to hurt them.

A `Site` copies the scenario's directory (conf.d, programs) into a short temporary path, because a socket's path has
108 bytes, and because the daemon may run as a user who cannot read ours. Nothing in here sleeps for a length of time:
one waits for events, for the end of a process, or, where nobody tells, for a condition (`until`).

Cleaning up is a test of its own: `close` shuts the daemon down in order and fails if anything of the site is left
alive. Whatever happened before, no process and no cgroup of the site survives it. Processes are recognised by what
they hold (the site's path in their environment, their descriptors, their directory), never by a name.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = Path(__file__).resolve().parent
PATIENCE_S = 40.0
"""How long anything may take before the scenario is called failed: far more than the slowest machine needs."""

SYSTEM_PYTHON = "/usr/bin/python3"

Message = dict[str, Any]


class Who:
    """As whom a daemon runs: uid, and a Python that this uid can run."""

    def __init__(self, name: str, uid: int, gid: int, python: str, paths: tuple[str, ...]) -> None:
        self.name, self.uid, self.gid = name, uid, gid
        self.python, self.paths = python, paths

    def environ(self) -> dict[str, str]:
        found = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": ":".join(self.paths)}
        found["PYTHONDONTWRITEBYTECODE"] = "1"
        return found

    def can_run(self) -> str:
        """Empty, or why this user cannot run amonsupd on this machine."""
        done = subprocess.run(
            [self.python, "-c", "import amonsup.supervisor.entry, amonsup.supervisor.daemon, yaml"],
            cwd="/",
            env=self.environ(),
            capture_output=True,
            text=True,
            **self.switch(),
        )
        return done.stderr.strip()[-300:] if done.returncode else ""

    def switch(self) -> dict[str, Any]:
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def libraries() -> tuple[str, ...]:
    return tuple(path for path in sys.path if path.endswith(("site-packages", "dist-packages")))


def ourselves() -> Who:
    name = "root" if os.geteuid() == 0 else "user"
    return Who(name, os.geteuid(), os.getegid(), sys.executable, (str(ROOT), *libraries()))


def unprivileged(uid: int | None = None) -> Who:
    """Somebody who may nothing. Only for tests that run as root; `can_run` says whether it works here."""
    nobody = pwd.getpwnam("nobody")
    uid = nobody.pw_uid if uid is None else uid
    for python in (sys.executable, SYSTEM_PYTHON):
        who = Who("user", uid, nobody.pw_gid, python, (str(ROOT), *libraries()))
        with contextlib.suppress(OSError):
            if not who.can_run():
                return who
    return who


class ScenarioError(AssertionError):
    """What was waited for did not come."""


def until(condition: Callable[[], Any], what: str = "", timeout: float = PATIENCE_S) -> Any:
    """Wait until the condition is true, and return what it returned. Only where there is no event to wait for."""
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise ScenarioError(f"did not come true within {timeout:g} s: {what or condition}")
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, zombies not counted."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text[text.rfind(")") + 2] not in "ZX"


def identity(pid: int) -> tuple[int, str]:
    """The process, for ever: a number alone may come back."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return pid, text[text.rfind(")") + 2 :].split()[19]


def wait_gone(pid: int, timeout: float = PATIENCE_S) -> None:
    """Until the process has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        waiter = select.poll()
        waiter.register(fd, select.POLLIN)
        if not waiter.poll(timeout * 1000) and is_alive(pid):
            raise ScenarioError(f"process {pid} is still there after {timeout:g} s")
    finally:
        os.close(fd)


class Connection:
    """One connection to the supervisor, by the line. Raises ConnectionError when it ends."""

    def __init__(self, path: Path, timeout: float = PATIENCE_S) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(str(path))
        except OSError:
            self.sock.close()
            raise
        self._rest = b""
        self._hello: Message | None = None

    @property
    def hello(self) -> Message:
        """The greeting, waited for: a connection that nobody has accepted yet has none."""
        if self._hello is None:
            first = self._line()
            if first["type"] == "refused":
                raise ConnectionRefusedError(first["text"])
            assert first["type"] == "hello", first
            self._hello = first
        return self._hello

    def request(self, verb: str, request_id: str = "", **args: Any) -> str:
        """Send; returns the id. Does not wait for anybody to listen."""
        request_id = request_id or uuid.uuid4().hex
        line = json.dumps({"type": "request", "id": request_id, "verb": verb, "args": args}) + "\n"
        self.sock.sendall(line.encode())
        return request_id

    def message(self) -> Message:
        """The next message, the greeting left out."""
        assert self.hello
        return self._line()

    def last_word(self, request_id: str) -> Message:
        """What ends the request: its answer, refusal or end; 'accepted' is passed over."""
        while True:
            message = self.message()
            if message.get("id") == request_id and message["type"] != "accepted":
                return message

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _line(self) -> Message:
        while b"\n" not in self._rest:
            part = self.sock.recv(1 << 20)
            if not part:
                raise ConnectionError("the supervisor is gone")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        found: Message = json.loads(line)
        return found


class Site:
    """One amonsupd with its directory. Use `start`, then whatever the scenario needs, then `close`."""

    def __init__(
        self,
        case: Path,
        who: Who | None = None,
        *,
        patches: str = "",
        environ: dict[str, str] | None = None,
        wrapper: Iterable[str] = (),
        config: dict[str, str] | None = None,
        program: Iterable[str] = (),
    ) -> None:
        """`patches` names a file of tests/support/patches; `wrapper` is put in front of the daemon's command line
        (it must exec it); `config` adds to amonsup.yaml; `program` replaces the installed amonsupd."""
        self.who = who or ourselves()
        self.path = Path(tempfile.mkdtemp(prefix="amsc", dir="/tmp"))
        self.name = self.path.name
        shutil.copytree(case, self.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.pyc", "__pycache__"))
        shutil.copytree(SUPPORT / "programs", self.path / "bin")
        self.conf_d = self.path / "conf.d"
        self.conf_d.mkdir(exist_ok=True)
        self.run_dir, self.state_dir, self.log_dir = (self.path / name for name in ("run", "state", "log"))
        self.config_file = self.path / "amonsup.yaml"
        lines = {"site": self.name, "run_dir": "run", "state_dir": "state", "log_dir": "log", **(config or {})}
        self.config_file.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
        self._wrapper, self._program, self._patches = list(wrapper), list(program), patches
        self._environ = {
            **self.who.environ(),
            "HOME": str(self.path),
            "PYTHON": self.who.python,
            "SITE": str(self.path),
            **(environ or {}),
        }
        self._base: Path | None = None
        self._give_away()
        self.process: subprocess.Popen[bytes] | None = None
        self.puppets: dict[str, Puppet] = {}
        self.seen = 0  # sequence number of the last event that `wait` has passed

    # -- the daemon --

    def start(self, *, waits: bool = True) -> Site:
        """Start amonsupd; it answers when this returns (unless told not to wait)."""
        self.process = self.spawn_daemon()
        if waits:
            self.answers()
        return self

    def spawn_daemon(self, **options: Any) -> subprocess.Popen[bytes]:
        """One more amonsupd on this site."""
        program = self._program or [self.who.python, "-m", "amonsup.supervisor.entry"]
        environ = dict(self._environ)
        if self._patches:
            program = [self.who.python, str(SUPPORT / "patched_boot.py")]
            environ["AMONSUP_TEST_PATCHES"] = str(SUPPORT / "patches" / f"{self._patches}.py")
        with open(self.path / "stderr", "ab") as errors:
            return subprocess.Popen(
                [*self._wrapper, *program, "-c", str(self.config_file)],
                cwd="/",
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=options.pop("stderr", errors),
                start_new_session=True,
                **self.who.switch(),
                **options,
            )

    def answers(self) -> Message:
        """Wait until the supervisor answers (through gaps); returns the rows of `status --all` by name."""
        return {row["name"]: row for row in self.ask("status", all=True)["services"]}

    def connect(self) -> Connection:
        """A connection; waits for the socket to be there, not for anybody to accept it."""

        def attempt() -> Connection | None:
            if self.process is not None and self.process.poll() not in (None, -signal.SIGKILL):
                raise ScenarioError(f"amonsupd ended with {self.process.returncode}:\n{self.stderr()}")
            try:
                return Connection(self.run_dir / "amonsup.sock")
            except (FileNotFoundError, ConnectionRefusedError):
                return None

        found: Connection = until(attempt, "a connection")
        return found

    def talk(self, verb: str, request_id: str = "", **args: Any) -> Message:
        """One request to its last word, asked again under the same id whenever a supervisor dies over it."""
        request_id = request_id or uuid.uuid4().hex
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with self.connect() as connection:
                    connection.request(verb, request_id, **args)
                    return connection.last_word(request_id)
            except (ConnectionError, BrokenPipeError):
                if time.monotonic() > deadline:
                    raise

    def ask(self, verb: str, **args: Any) -> Any:
        """The result of a request, which must not be refused; of a command: how it ended, well or not."""
        message = self.talk(verb, **args)
        assert message["type"] in ("answer", "finished"), message
        return message["result"]

    def do(self, verb: str, **args: Any) -> Any:
        """A command that must succeed."""
        result = self.ask(verb, **args)
        assert result["ok"], result
        return result

    def refused(self, verb: str, **args: Any) -> Message:
        """A request that must be refused; returns the refusal."""
        message = self.talk(verb, **args)
        assert message["type"] == "refused", message
        return message

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The real client."""
        with self.cli_started(*words) as process:
            out, err = process.communicate(timeout=PATIENCE_S)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def cli_started(self, *words: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.who.python, "-m", "amonsup.cli.main", "-c", str(self.config_file), *words],
            cwd="/",
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            **self.who.switch(),
        )

    def client_environ(self) -> dict[str, str]:
        """What a client of this site is started with."""
        return dict(self._environ)

    # -- looking --

    def row(self, name: str) -> Message:
        found: Message = self.answers()[name]
        return found

    def pid(self, name: str) -> int:
        """Of a service, or of supervisor, guardian, logger. 0: none."""
        return self.row(name)["pid"] or 0

    def show(self, name: str) -> Message:
        found: Message = self.ask("show", service=name)
        return found

    def warnings(self) -> str:
        return "\n".join(self.ask("status")["warnings"])

    def events(self, after: int = 0) -> list[Message]:
        found: list[Message] = self.ask("events", after=after)["events"]
        return found

    def transcript(self, *services: str) -> list[str]:
        """The journal as `service kind` lines, of these services only (all: of every service, and of the daemon)."""
        return [
            f"{event.get('service', '-')} {event['kind']}"
            for event in self.events()
            if not services or event.get("service") in services
        ]

    def happenings(self, after: int) -> Iterator[Message]:
        """Events after a sequence number, for ever, across supervisors."""
        while True:
            with contextlib.suppress(ConnectionError), self.connect() as connection:
                request_id = connection.request("events", after=after, follow=True)
                while True:
                    message = connection.message()
                    if message.get("id") != request_id:
                        continue
                    found = message["result"]["events"] if message["type"] == "answer" else [message["event"]]
                    for event in found:
                        after = event["seq"]
                        yield event

    def wait(self, kind: str, service: str = "", text: str = "") -> Message:
        """The next event of this kind after the last one waited for; what comes before it is passed over."""
        try:
            for event in self.happenings(self.seen):
                self.seen = event["seq"]
                if event["kind"] == kind and event.get("service", "") == service and text in event.get("text", ""):
                    return event
        except TimeoutError:
            pass
        raise ScenarioError(f"no event {kind!r} of {service or 'the daemon'} with {text!r} came")

    def wait_any(self, kind: str, service: str = "") -> Message:
        """The first event of this kind since the beginning; does not move what `wait` has passed."""
        for event in self.happenings(0):
            if event["kind"] == kind and event.get("service", "") == service:
                return event
        raise AssertionError

    def passed(self) -> int:
        """Pass over all events so far: `wait` looks at later ones only."""
        events = self.events(self.seen)
        self.seen = events[-1]["seq"] if events else self.seen
        return self.seen

    def running(self, *names: str) -> dict[str, int]:
        """Wait until all of these run; their pids."""

        def look() -> dict[str, int] | None:
            rows = self.answers()
            wanted = [rows[name] for name in names]
            if all(row["state"] == "running" for row in wanted):
                return {row["name"]: row["pid"] for row in wanted}
            return None

        found: dict[str, int] = until(look, f"running: {', '.join(names)}")
        return found

    def state(self, name: str, state: str) -> Message:
        """Wait until a service is in this state; its row."""

        def look() -> Message | None:
            row = self.row(name)
            return row if row["state"] == state else None

        found: Message = until(look, f"{name} {state}")
        return found

    def file(self, name: str) -> Path:
        return self.path / name

    def lines(self, name: str) -> list[str]:
        """The whole lines of a file that a program of the scenario writes; none if it is not there yet."""
        try:
            return (self.path / name).read_text().splitlines()
        except FileNotFoundError:
            return []

    def log(self, service: str) -> list[str]:
        return self.lines(f"log/{service}.log")

    def stderr(self) -> str:
        try:
            return (self.path / "stderr").read_text()
        except OSError:
            return ""

    def write(self, name: str, text: str) -> None:
        """Write a file as the daemon's user could, at once."""
        temporary = self.path / f".{uuid.uuid4().hex}"
        temporary.write_text(text)
        os.chown(temporary, self.who.uid, self.who.gid)
        temporary.rename(self.path / name)

    def mkdir(self, name: str, mode: int = 0o755) -> Path:
        """A directory as the daemon's user could make it."""
        path = self.file(name)
        path.mkdir()
        os.chown(path, self.who.uid, self.who.gid)
        path.chmod(mode)
        return path

    # -- hurting --

    def kill(self, name: str) -> int:
        """kill -9 of a service or one of our own processes; it has ended when this returns. Returns the old pid."""
        pid = self.pid(name)
        assert pid, f"{name} has no process"
        kill_hard(pid)
        return pid

    def is_doomed(self) -> bool:
        """With the patch `doomed`: whether the supervisor died of what `doom` says; if it has not, it is spared."""
        try:
            self.file("doom").unlink()
        except FileNotFoundError:
            self.file("doomed").unlink()
            return True
        return False

    # -- the end --

    def shut_down(self) -> int | None:
        """TERM to the guardian; the exit status if amonsupd is our child."""
        guardian = self.guardian()
        if guardian:
            os.kill(guardian, signal.SIGTERM)
            wait_gone(guardian)
        if self.process is not None:
            return self.process.wait(PATIENCE_S)
        return None

    def guardian(self) -> int:
        """The guardian's pid by the lock's word, without asking anybody; 0 if it is not alive."""
        try:
            pid = int((self.run_dir / "lock").read_text() or 0)
        except (OSError, ValueError):
            return 0
        return pid if pid and is_alive(pid) and self._holds(pid) else 0

    def survivors(self) -> list[str]:
        """Everything of the site that is alive: pid and command line."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid() and is_alive(int(entry)) and self._holds(int(entry)):
                with contextlib.suppress(OSError):
                    words = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                    found.append(f"{entry} {words[:100]}")
        return found

    def close(self) -> None:
        """Shut down in order; whatever is alive then is a failure, and killed."""
        problem = ""
        try:
            if self.guardian():
                self.shut_down()
            left = self.survivors()
            if left:
                problem = "alive after the shutdown:\n" + "\n".join(left)
        except Exception as error:  # noqa: BLE001 - cleaning goes on, the failure is raised below
            problem = f"the shutdown failed: {type(error).__name__}: {error}"
        self.wipe_out()
        if problem:
            raise ScenarioError(problem)

    def wipe_out(self) -> None:
        """No process and no cgroup of the site is left; its directory is."""
        for puppet in self.puppets.values():
            puppet.close()
        self.puppets.clear()
        base = self._cgroup()
        # The guardian first: it would start a successor of whoever else is killed.
        ours = [line for line in self.survivors() if "boot.py" in line]
        for pid in [self.guardian(), *(int(line.split()[0]) for line in ours)]:
            if pid and is_alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if base is not None:
            with contextlib.suppress(OSError):
                (base / "cgroup.kill").write_text("1")
        until(lambda: not self._kill_rest(), "everything of the site is killed", 10.0)
        if self.process is not None:
            self.process.wait(10)
        for directory in self._v1_cgroups():
            for path, _, _ in os.walk(directory, topdown=False):
                until(lambda path=path: _rmdir(path), f"cgroup {path} is empty", 10.0)
        if base is not None and base.is_dir():
            for directory, _, _ in os.walk(base, topdown=False):
                until(lambda path=directory: _rmdir(path), f"cgroup {directory} is empty", 10.0)

    def puppet(self, name: str) -> Puppet:
        """The strings of a service that runs bin/puppet.py NAME; to be taken up before it is started."""
        if name not in self.puppets:
            self.puppets[name] = Puppet(self, name)
        return self.puppets[name]

    def remove(self) -> None:
        shutil.rmtree(self.path, onerror=_open_and_retry)

    def report(self) -> str:
        """For a failed scenario: what the daemon said, and what happened."""
        events = []
        with contextlib.suppress(OSError):
            events = (self.state_dir / "events.jsonl").read_text().splitlines()
        return "\n".join([f"kept: {self.path}", "-- stderr", self.stderr()[-6000:], "-- events", *events[-60:]])

    # -- inside --

    def _kill_rest(self) -> bool:
        left = self.survivors()
        for line in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split()[0]), signal.SIGKILL)
        return bool(left)

    def _holds(self, pid: int) -> bool:
        """Whether a process belongs to this site."""
        mark = str(self.path)
        proc = Path(f"/proc/{pid}")
        try:
            # The interpreter's own options carry the path for our own processes.
            if mark.encode() in (proc / "environ").read_bytes() or mark.encode() in (proc / "cmdline").read_bytes():
                return True
            if f"/{self._tag()}/" in (proc / "cgroup").read_text():
                return True
            links = [*(proc / "fd").iterdir(), proc / "cwd"]
        except OSError:
            return False
        for link in links:
            with contextlib.suppress(OSError):
                if os.readlink(link).startswith(mark):
                    return True
        return False

    def _cgroup(self) -> Path | None:
        """Where the daemon's cgroups are; remembered, because run_dir may go away with the daemon."""
        if self._base is None:
            with contextlib.suppress(OSError):
                text = (self.run_dir / "cgroup").read_text().strip()
                self._base = Path(text) if "/amonsup-" in text else None
        return self._base

    def _v1_cgroups(self) -> list[str]:
        """Where the daemon limits services by controllers of version 1, while it does."""
        try:
            found: list[str] = list(json.loads((self.run_dir / "limits").read_text()).get("v1", {}).values())
        except (OSError, ValueError):
            return []
        return [path for path in found if "/amonsup-" in path]

    def _tag(self) -> str:
        base = self._cgroup()
        return base.name if base is not None else "no cgroup of this site"

    def _give_away(self) -> None:
        """The directory belongs to the daemon's user."""
        os.chmod(self.path, 0o755)
        for directory, names, files in os.walk(self.path):
            for path in (directory, *(os.path.join(directory, name) for name in (*names, *files))):
                if os.geteuid() == 0:
                    os.chown(path, self.who.uid, self.who.gid)
                mode = os.stat(path).st_mode & 0o700
                os.chmod(path, mode | mode >> 3 & 0o055 | mode >> 6 & 0o055)


class Puppet:
    """Tells a puppet what to do. What is told while there is none, the next life of the service does."""

    def __init__(self, site: Site, name: str) -> None:
        self.site, self.name = site, name
        path = site.file(f"puppet.{name}")
        os.mkfifo(path, 0o600)
        if os.geteuid() == 0:
            os.chown(path, site.who.uid, site.who.gid)
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def did(self) -> list[str]:
        """Everything that puppets of this name have done: `PID WHAT`."""
        return self.site.lines(f"did.{self.name}")

    def lives(self) -> list[int]:
        """The pids of all lives there have been."""
        return [int(line.split()[0]) for line in self.did() if line.endswith(" begin")]

    def tell(self, command: str, *, waits: bool = True) -> None:
        """`waits`: until it is done."""
        before = self.count(command)
        os.write(self._fd, command.encode() + b"\n")
        if waits:
            self.wait(command, before + 1)

    def count(self, what: str) -> int:
        return sum(1 for line in self.did() if line.split(" ", 1)[1] == what)

    def wait(self, what: str, times: int = 1) -> None:
        """Until it was done so many times."""
        until(lambda: self.count(what) >= times, f"{self.name} does {what!r} for the {times}th time")

    def close(self) -> None:
        os.close(self._fd)


def resident_kb(pid: int) -> int:
    """Its resident memory; of a process that nobody may look into, too (proc_pid_status(5))."""
    return int(re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1])


def kill_hard(*pids: int) -> None:
    """SIGKILL, in this order; all have ended when this returns."""
    fds = []
    for pid in pids:
        fd = os.pidfd_open(pid)
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        fds.append(fd)
    for pid, fd in zip(pids, fds, strict=True):
        waiter = select.poll()
        waiter.register(fd, select.POLLIN)
        if not waiter.poll(PATIENCE_S * 1000):
            raise ScenarioError(f"process {pid} survived SIGKILL")
        os.close(fd)


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """SIGSTOP for a while: nothing moves in there, and what is sent to it waits."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: _state(pid) in "tT", f"{pid} is stopped")
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _state(pid: int) -> str:
    text = Path(f"/proc/{pid}/stat").read_text()
    return text[text.rfind(")") + 2]


def _rmdir(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _open_and_retry(function: Callable[[str], object], path: str, _error: object) -> None:
    """A scenario may have closed a directory to its user."""
    with contextlib.suppress(OSError):
        os.chmod(os.path.dirname(path), 0o700)
        function(path)
