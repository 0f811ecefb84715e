"""Attendants: processes that look after the files a service writes by itself, as its user; see logs/attendant.py.

The logger asks, because it sees what happens to the files; the supervisor decides, because it knows the service: whose
files they are, whether a file is one of those that are configured, who writes to it, and so which way of rotating it
is safe. What an attendant answers goes to the logger as it is, descriptors included.

At most MOST_AT_ONCE run at a time, one a service. Each is killed after its deadline. The service that an attendant
has frozen is thawed when the attendant ends, whatever became of it, and some time after a supervisor has died over it.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import signal
import socket
from collections.abc import Callable

import msgspec

from amonsup import boot
from amonsup.config.specs import ServiceSpec
from amonsup.loop import channel as channels
from amonsup.loop.channel import Channel, Message
from amonsup.loop.kernel import start_ticks
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters import procfs, spawn, writers
from amonsup.supervisor.adapters.scopes import Scopes
from amonsup.supervisor.adapters.watch import Ended, Watch
from amonsup.supervisor.births import Births
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.hearsay import MOST_FILES, Attend, Files, Following, WantsCut, WasCut, heard, plain, printable

MOST_AT_ONCE = 4
MOST_QUEUED = 2000
OPEN_S, CUT_S = 60.0, 900.0
MAX_REMARK = 1000
THAW_S = 3.0
"""After a supervisor's death: longer than an attendant keeps anything frozen (cutting.FREEZE_S)."""

COLLAPSIBLE = frozenset({"ext4", "xfs", "overlay"})
NO_CORE = (4, 0, 0)  # RLIMIT_CORE

Send = Callable[[Message, tuple[int, ...]], None]


class File(msgspec.Struct, frozen=True):
    """A file that an attendant has opened."""

    dev: int
    ino: int


class Job(msgspec.Struct):
    """What is asked of an attendant. `fds` become 4, 5, 6."""

    service: str
    task: str
    options: dict[str, object]
    fds: list[int]
    method: str = ""
    files: int = 0  # that were answered so far
    former: list[tuple[str, File]] = []  # of these, those that were renamed
    is_begun: bool = False


class Way(msgspec.Struct, frozen=True):
    """How a file can be rotated, and why so. Without a method it cannot."""

    method: str
    why: str


class Attendants:
    """A companion of the logger's link. `say` makes an event; `reopens(name)` has a service open its logs again."""

    kinds = frozenset({"attend", "cut", "following"})

    def __init__(
        self,
        loop: Loop,
        watch: Watch,
        births: Births,
        scopes: Scopes,
        fleet: Fleet,
        say: Callable[[str, str], None],
        reopens: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._watch = watch
        self._births = births
        self._scopes = scopes
        self._fleet = fleet
        self._say = say
        self._reopens = reopens
        self._by = os.urandom(4).hex()
        self._send: Send | None = None
        self._queue: list[Job] = []
        self._running: dict[str, Job] = {}
        self._processes: dict[str, tuple[int, int]] = {}
        self._files: dict[str, dict[str, File]] = {}
        self._problems: dict[str, dict[str, str]] = {}
        self._reminded: set[str] = set()
        self._incollapsible: set[int] = set()  # devices of file systems that have refused
        self._said: dict[str, str] = {}

    # -- the logger's companion --

    def connect(self, send: Send) -> None:
        self._send = send
        for spec in self._fleet.specs.values():
            if spec.logging.files:
                self._announce(spec)

    def disconnect(self) -> None:
        self._send = None

    def told(self, message: Message, fds: list[int]) -> None:
        """Only what is configured is looked after; the logger's wish is no order."""
        said = heard(message, Attend) or heard(message, Following) or heard(message, WantsCut)
        spec = self._fleet.specs.get(said.service) if said is not None else None
        if said is None or spec is None or not spec.logging.files or len(self._queue) >= MOST_QUEUED:
            return
        if isinstance(said, Attend):
            self._attend(spec, said, fds)
        elif isinstance(said, Following):
            self._files[spec.name] = {path: File(device, inode) for path, device, inode in said.files}
        elif fds:
            self._cut(spec, said, fds)

    def configured(self, before: dict[str, ServiceSpec]) -> None:
        """After an apply."""
        for spec in self._fleet.specs.values():
            old = before.get(spec.name)
            had = old.logging if old is not None else None
            if spec.logging != had and (spec.logging.files or (had is not None and had.files)):
                self._announce(spec)

    def forget(self, name: str) -> None:
        self._files.pop(name, None)
        self._problems.pop(name, None)
        if self._send is not None:
            self._send({"do": "follow", "service": name, "files": [], "max_size": 0}, ())

    def close(self) -> None:
        """A full stop. What was cut off half stands in the record, for the next time."""
        self._queue.clear()
        for pid, ticks in self._processes.values():
            self._watch.signal(pid, ticks, signal.SIGKILL)

    def _announce(self, spec: ServiceSpec) -> None:
        if self._send is not None:
            logging = spec.logging
            size = logging.max_size_bytes
            if logging.max_total_bytes:  # room for something that was rotated, too
                size = min(size, logging.max_total_bytes // 2)
            message = {"do": "follow", "service": spec.name, "files": list(logging.files), "max_size": size}
            self._send({**message, "rotate": logging.rotate, "by": self._by}, ())

    # -- what is known, for show --

    def facts(self, name: str) -> dict[str, str]:
        """Of each file: how it can be rotated and why, or what is wrong with it."""
        spec = self._fleet.specs.get(name)
        if spec is None:
            return {}
        found = {f"file {path}": text for path, text in self._problems.get(name, {}).items()}
        for path, file in self._files.get(name, {}).items():
            way = self._way(spec, file)
            found[f"file {path}"] = f"followed; {_METHODS[way.method]} ({way.why})"
        for path in spec.logging.files:
            found.setdefault(f"file {path}", "not looked at yet") if not _is_pattern(path) else None
        return found

    # -- jobs --

    def _attend(self, spec: ServiceSpec, said: Attend, fds: list[int]) -> None:
        patterns, wanted = list(spec.logging.files), list(said.wanted)
        options: dict[str, object] = {"task": "open", "patterns": patterns, "wanted": wanted, "has_instance": bool(fds)}
        lent, fds[:] = fds[:1], fds[1:]
        self._ask(Job(spec.name, "open", options, lent))

    def _cut(self, spec: ServiceSpec, said: WantsCut, fds: list[int]) -> None:
        if said.by not in (self._by, ""):  # empty: a logger from before an upgrade
            return  # it was meant for a predecessor; the logger has begun anew with us
        path, device, inode = said.path, said.dev, said.ino
        if not any(_names(pattern, path) for pattern in spec.logging.files):
            return
        way = self._way(spec, File(device, inode))
        if not way.method:
            self._remark(spec.name, path, f"is not rotated: {way.why}")
            self._answer_cut(spec.name, device, inode)
            return
        options: dict[str, object] = {
            "task": "cut",
            "path": path,
            "dev": device,
            "ino": inode,
            "method": way.method,
            "max_files": spec.logging.max_files,
            "max_total": spec.logging.max_total_bytes,
            "compress": spec.logging.compress,
            "has_cgroup": False,
        }
        record, fds[:] = fds[:1], fds[1:]
        if way.method == "freeze":
            record += self._freezer(spec.name)
            options["has_cgroup"] = len(record) == 3
        self._ask(Job(spec.name, "cut", options, record, way.method))

    def _way(self, spec: ServiceSpec, file: File) -> Way:
        found = writers.of_file(file.dev, file.ino, self._scopes.members(spec.name, thorough=True))
        reopens = spec.is_reload_given
        if not found.is_complete:
            return Way("", "not all of its writers can be seen")
        if not found.count:
            return Way("rename", "no process of the service has it open")
        if found.careless:
            if reopens:
                return Way("reopen", "the service opens it again at `reload`")
            pids = ", ".join(map(str, found.careless[:5]))
            return Way("", f"process {pids} does not append (O_APPEND); no `reload` makes it open it again")
        who = "its writer appends" if found.count == 1 else f"its {found.count} writers append"
        kind = procfs.file_system(file.dev)
        if kind in COLLAPSIBLE and file.dev not in self._incollapsible:
            return Way("collapse", f"{kind}, {who}")
        if self._scopes.directory(spec.name):
            return Way("freeze", f"{kind or 'unknown file system'}, {who}")
        if reopens:
            return Way("reopen", "the service opens it again at `reload`")
        return Way("", f"{kind or 'the file system'} cannot take out a part, and there is no cgroup to freeze")

    def _freezer(self, name: str) -> list[int]:
        """cgroup.freeze to be written, cgroup.events to be read; whoever has these needs no further right."""
        directory = self._scopes.directory(name)
        try:
            freeze = os.open(os.path.join(directory, "cgroup.freeze"), os.O_WRONLY | os.O_CLOEXEC)
            return [freeze, os.open(os.path.join(directory, "cgroup.events"), os.O_RDONLY | os.O_CLOEXEC)]
        except OSError:
            return []

    def thaw_what_was_left(self) -> None:
        """A predecessor died while an attendant had frozen a service; it may still be at it."""
        for spec in self._fleet.specs.values():
            if spec.logging.files and self._is_frozen(spec.name):
                self._loop.call_at(self._loop.now() + THAW_S, lambda name=spec.name: self._thaw(name))  # type: ignore[misc]

    def _is_frozen(self, name: str) -> bool:
        directory = self._scopes.directory(name)
        return bool(directory) and procfs.read(os.path.join(directory, "cgroup.freeze")).strip() == b"1"

    def _thaw(self, name: str) -> None:
        directory = self._scopes.directory(name)
        if directory and name not in self._running:
            with contextlib.suppress(OSError), open(os.path.join(directory, "cgroup.freeze"), "wb", 0) as file:
                file.write(b"0")

    def _ask(self, job: Job) -> None:
        self._queue.append(job)
        self._next()

    def _next(self) -> None:
        for job in list(self._queue):
            if len(self._running) >= MOST_AT_ONCE:
                return
            if job.service not in self._running:
                self._queue.remove(job)
                self._run(job)

    def _run(self, job: Job) -> None:
        ours, theirs = channels.pair()
        try:
            born = self._spawn(job, theirs)
        except (LookupError, OSError) as error:
            born = spawn.SpawnFailure("attendant", getattr(error, "errno", None) or 22, str(error))
        theirs.close()
        channels.close_all(job.fds)
        if isinstance(born, spawn.SpawnFailure):
            ours.close()
            self._failed(job, born.text)
            self._loop.call_soon(self._next)
            return
        self._running[job.service] = job
        answered: list[bool] = []
        pid, ticks = self._processes[job.service] = born.pid, start_ticks(born.pid)
        link = Channel(self._loop, ours, lambda message, fds: self._heard(job, message, fds, answered), lambda: None)
        limit = OPEN_S if job.task == "open" else CUT_S
        deadline = self._loop.call_at(self._loop.now() + limit, lambda: _kill(self._watch, pid, ticks))

        def ended(_end: Ended) -> None:
            deadline.cancel()
            link.receive_now()  # what was sent before the end still arrives
            link.close()
            del self._running[job.service], self._processes[job.service]
            if job.method == "freeze":
                self._thaw(job.service)
            if not answered:
                self._failed(job, "the process that looks after it ended without an answer")
            self._next()

        self._watch.own(pid, born.pidfd, ticks, ended)

    def _spawn(self, job: Job, link: socket.socket) -> spawn.Born | spawn.SpawnFailure:
        """As the service's user, with nothing of our environment. Raises LookupError, OSError."""
        account = self._births.account(self._fleet.specs[job.service])
        inherited = [(link.fileno(), 3), *((fd, 4 + number) for number, fd in enumerate(job.fds))]
        birth = spawn.Birth(
            argv=tuple(boot.command_line("attendant", job.options)),
            environment=(("LANG", "C.UTF-8"), ("PATH", "/usr/bin:/bin")),
            working_dir="/",
            stdin_fd=self._births.null,
            stdout_fd=2,
            stderr_fd=2,
            inherited=tuple(inherited),
            uid=account.uid,
            gid=account.gid,
            groups=account.groups,
            umask=0o077,
            limits=(NO_CORE,),
            no_new_privileges=True,
        )
        return spawn.spawn(birth)

    # -- answers --

    def _heard(self, job: Job, message: Message, fds: list[int], answered: list[bool]) -> None:
        """To the logger as it is; what stands in it of files is remembered for show."""
        if answered:
            pass  # nothing more is expected of it
        elif job.task == "open" and (found := heard(message, Files)) and self._remember(job, found):
            if found.last:
                answered.append(True)
            self._pass_on({**plain(found), "service": job.service}, fds)
        elif job.task == "cut" and (cut := heard(message, WasCut)):
            answered.append(True)
            self._cut_done(job, cut, fds)
        channels.close_all(fds)

    def _remember(self, job: Job, found: Files) -> bool:
        """False: more files than there may be, or it begins a second time."""
        name = job.service
        job.files += len(found.files)
        if found.first == job.is_begun or job.files > MOST_FILES:
            return False
        job.is_begun = True
        if name not in self._fleet.specs:
            return True  # removed while it was looked for them
        if found.first:
            self._said.pop(f"{name} its files:", None)
            self._files[name] = {}
            self._problems[name] = dict(found.problems)
            for path, text in found.problems:
                if "(yet)" not in text:
                    self._remark(name, path, text)
        for record in found.files:
            file = File(record.dev, record.ino)
            if record.former:
                job.former.append((record.path, file))
            else:
                self._files.setdefault(name, {})[record.path] = file
        if found.last and name not in self._reminded and self._is_left_open(name, job.former):
            self._reminded.add(name)
            self._reopens(name)
        return True

    def _is_left_open(self, name: str, former: list[tuple[str, File]]) -> bool:
        """A file was renamed to FILE.1, and a predecessor died before he had the service open FILE.

        It would write there for ever, and nothing would be rotated any more. So once in our life it is reminded.
        """
        there = self._files.get(name, {})
        left = [file for path, file in former if path.endswith(".1") and path.removesuffix(".1") not in there]
        if not left or not self._fleet.specs[name].is_reload_given:
            return False
        members = self._scopes.members(name, thorough=True)
        return any(writers.of_file(file.dev, file.ino, members).count for file in left)

    def _cut_done(self, job: Job, said: WasCut, fds: list[int]) -> None:
        path, device, inode = str(job.options["path"]), job.options["dev"], job.options["ino"]
        is_refused = False
        assert isinstance(device, int)
        assert isinstance(inode, int)
        if not said.ok:
            if said.unsupported and job.method == "collapse":
                self._incollapsible.add(device)
                is_refused = True  # there is another way
            else:
                self._remark(job.service, path, f"is not rotated: {said.text}")
        elif said.bytes:
            self._said.pop(f"{job.service} {path}", None)
            if job.method == "reopen":
                self._reopens(job.service)
        self._answer_cut(job.service, device, inode, fds, again=is_refused)

    def _answer_cut(
        self, name: str, device: int, inode: int, fds: list[int] | None = None, *, again: bool = False
    ) -> None:
        """`again`: the logger may ask once more right away."""
        self._pass_on({"do": "was-cut", "service": name, "dev": device, "ino": inode, "again": again}, fds or [])

    def _failed(self, job: Job, text: str) -> None:
        self._remark(job.service, "its files:", text)
        if job.task == "open":
            self._pass_on({"do": "files", "service": job.service, "failed": True}, [])
        else:
            device, inode = job.options["dev"], job.options["ino"]
            assert isinstance(device, int)
            assert isinstance(inode, int)
            self._answer_cut(job.service, device, inode)

    def _pass_on(self, message: Message, fds: list[int]) -> None:
        if self._send is not None:
            self._send(message, tuple(fds))

    def _remark(self, name: str, path: str, text: str) -> None:
        """An event, until something else is to be said of the same file."""
        key = f"{name} {path}"
        if self._said.get(key) != text and len(self._said) < MOST_QUEUED:
            self._said[key] = text
            self._say("log-remark", f"{name}: {printable(f'{path} {text}')[:MAX_REMARK]}")


_METHODS = {
    "": "not rotated",
    "rename": "rotated by rename",
    "reopen": "rotated by rename and reload",
    "collapse": "rotated by taking out its head",
    "freeze": "rotated by copying and emptying it while the service is frozen",
}


def _is_pattern(path: str) -> bool:
    return any(c in path for c in "*?[")


def _names(pattern: str, path: str) -> bool:
    parts, given = pattern.split("/"), path.split("/")
    return len(parts) == len(given) and all(map(fnmatch.fnmatchcase, given, parts)) and ".." not in given


def _kill(watch: Watch, pid: int, ticks: int) -> None:
    watch.signal(pid, ticks, signal.SIGKILL)
