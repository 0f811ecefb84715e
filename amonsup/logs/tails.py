"""Files that services write by themselves, followed: where each is, what became of it, when it is to be rotated.

An attendant (attendant.py) opens the files and passes descriptors and an inotify instance; here nothing is opened but
our own records. Each inode is a log of its own with a ledger (ledger.py), so a file that was renamed is read to its
end while its successor is read from its beginning. What is judged, and how far, is the business of `Watches`.

Nothing is asked for in vain: events of the instance say that a file has grown, was renamed or unlinked, or that a name
has appeared in a directory; only then, and at most every ASK_S, an attendant is asked to look again.
"""

from __future__ import annotations

import contextlib
import fcntl
import fnmatch
import os
import stat

from amonsup.logs import inotify, ledger
from amonsup.logs.watches import RECORD_DIR, Watches
from amonsup.loop.loop import READ, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from amonsup.logs.watching import Rule
    from amonsup.loop.channel import Message

PAUSE_S = 0.003
ASK_S = 1.0
LOCKED_S = 0.05
MOST_FORMER = 3
MOST_FORMERS = 100
MOST_STALE = 8
READ_EVENTS = 65536
SUFFIX = ".ledger"


class Tail:
    """One inode. `seen`: its size when it was last looked at; `cutting`: an attendant is cutting it."""

    __slots__ = (
        "asked_size",
        "cutting",
        "earlier",
        "fd",
        "is_behind",
        "is_former",
        "log",
        "path",
        "record",
        "record_fd",
        "seen",
    )

    def __init__(self, log: str, path: str, fd: int, record: ledger.Entry, record_fd: int, is_former: bool) -> None:
        self.log = log
        self.path = path
        self.fd = fd
        self.record = record
        self.record_fd = record_fd
        self.is_former = is_former
        self.seen = 0
        self.cutting = False
        self.is_behind = False  # it is to be cut, and the last cut is not judged yet
        self.asked_size = 0
        self.earlier: dict[int, int] = {}  # inode of a copy to its descriptor


class TailSource:
    """The bytes of a tail by position, those that were cut off included as long as the copy is at hand."""

    def __init__(self, tail: Tail, beat: Beat) -> None:
        self._tail = tail
        self._beat = beat

    def read(self, position: int, size: int) -> tuple[int, bytes]:
        """What was cut off first, then the file itself, joined: a cut need not lie at a line's end."""
        tail = self._tail
        if tail.cutting:
            return position, b""
        raw = b""
        for inode, start, end in tail.record["earlier"]:
            at = position + len(raw)
            if start <= at < end and inode not in tail.earlier:
                return position, raw  # an attendant is looking for the copy
            if start <= at < end:
                raw += os.pread(tail.earlier[inode], min(size - len(raw), end - at), at - start)
        base = tail.record["base"]
        if not raw:
            position = max(position, base)
        at = position + len(raw)
        return position, raw + os.pread(tail.fd, size - len(raw), at - base) if at >= base else raw

    def end(self) -> int:
        size: int = self._tail.record["base"] + os.fstat(self._tail.fd).st_size
        return size

    def generation(self, position: int) -> int:
        return self._beat.generation

    def close(self) -> None:
        pass


class Beat:
    """All tails of one service."""

    __slots__ = (
        "answered",
        "ask_at",
        "directories",
        "generation",
        "instance",
        "is_asking",
        "is_known",
        "max_size",
        "patterns",
        "paused",
        "rules",
        "service",
        "tails",
        "wanted",
        "watches",
    )

    def __init__(self, service: str) -> None:
        self.service = service
        self.patterns: list[str] = []
        self.rules: list[Rule] = []
        self.generation = 0
        self.max_size = 0
        self.instance = -1
        self.paused = False
        self.directories: dict[int, list[str]] = {}
        self.watches: dict[int, Tail] = {}
        self.tails: dict[tuple[int, int], Tail] = {}
        self.wanted: set[int] = set()  # inodes that were asked for last
        self.answered: set[tuple[int, int]] = set()
        self.is_asking = False
        self.is_known = False  # it was looked for before: what appears now is new
        self.ask_at = 0.0


class Tails:
    """All of them. `send` goes to the supervisor; `complain(service, text)` says what is wrong with a file."""

    def __init__(
        self,
        loop: Loop,
        log_dir: str,
        watches: Watches,
        send: Callable[[Message, tuple[int, ...]], None],
        complain: Callable[[str, str], None],
    ) -> None:
        self._loop = loop
        self._directory = os.path.join(log_dir, RECORD_DIR)
        self._watches = watches
        self._send = send
        self._complain = complain
        self._beats: dict[str, Beat] = {}

    # -- told by the supervisor --

    def follow(self, service: str, patterns: list[str], max_size: int) -> None:
        """These are the service's files now. Told anew by every supervisor."""
        beat = self._beats.get(service)
        if not patterns:
            if beat is not None:
                self._forget(beat)
            return
        if beat is None:
            beat = self._beats[service] = Beat(service)
        beat.max_size = max_size
        is_same = beat.patterns == patterns
        beat.patterns = patterns
        beat.is_asking = False  # whoever was asked has died with his supervisor
        for tail in beat.tails.values():
            if tail.cutting:
                self._wait_for_cut(beat, tail)
        if not is_same or not beat.tails:
            self._ask(beat)
        else:
            files = [[t.path, t.record["dev"], t.record["ino"]] for t in beat.tails.values() if not t.is_former][:50]
            self._send({"do": "following", "service": service, "files": files}, ())

    def set_rules(self, service: str, rules: list[Rule]) -> None:
        beat = self._beats.get(service)
        if beat is None:
            return
        beat.rules = rules
        for tail in beat.tails.values():
            self._watch(beat, tail, None)

    def began(self, service: str, generation: int) -> None:
        """A life of the service: what is read from now on counts as its."""
        beat = self._beats.get(service)
        if beat is not None:
            beat.generation = generation

    def found(self, message: Message, fds: list[int]) -> None:
        """An attendant's answer, or a part of it. The descriptors that are used are taken out of `fds`."""
        beat = self._beats.get(message["service"])
        if beat is not None and message.get("failed"):
            beat.is_asking = False
            return
        if beat is None or len(fds) < len(message["files"]) + (1 if message["first"] else 0):
            return
        if message["first"]:
            if not _is_inotify(fds[0]):
                beat.is_asking = False
                self._complain(beat.service, "whoever looked for its files answered with something else")
                return
            self._use_instance(beat, fds.pop(0))
            beat.directories = {}
            beat.answered = set()
            for number, part in message["directories"]:
                beat.directories.setdefault(number, []).append(part)
        for record in message["files"]:
            fd = fds.pop(0)
            beat.answered.add((record["dev"], record["ino"]))
            if not self._take(beat, record, fd):
                os.close(fd)
        if message["last"]:
            beat.is_asking = False
            for key, tail in beat.tails.items():
                tail.is_former = tail.is_former or key not in beat.answered
            self._marker(beat)
            for tail in beat.tails.values():
                self._give_up_copies(beat, tail)
            self._drop_formers(beat)
            self._drop_stale(beat)

    def was_cut(self, message: Message, fds: list[int]) -> None:
        """What came of a rotation; with it comes the copy, as long as anything was cut off."""
        beat = self._beats.get(message["service"])
        tail = beat.tails.get((message["dev"], message["ino"])) if beat is not None else None
        if beat is None or tail is None:
            return
        if message["again"]:
            tail.asked_size = 0
        copy = fds.pop(0) if fds and is_readable_file(fds[0]) else -1
        self._after_cut(beat, tail, copy)

    def rotate(self, service: str) -> None:
        """All files of the service, now."""
        beat = self._beats.get(service)
        if beat is not None:
            for tail in list(beat.tails.values()):
                self._cut(beat, tail)

    # -- events --

    def _use_instance(self, beat: Beat, fd: int) -> None:
        if beat.instance >= 0:
            # The same instance came back: it was lent.
            os.close(fd)
            return
        beat.instance = fd
        os.set_blocking(fd, False)
        self._listen(beat)

    def _listen(self, beat: Beat) -> None:
        beat.paused = False
        if beat.instance >= 0:
            self._loop.watch(beat.instance, lambda _mask: self._events(beat), READ)

    def _events(self, beat: Beat) -> None:
        """Something happened; a short pause afterwards, because a file that is written line by line tells of each."""
        try:
            raw = os.read(beat.instance, READ_EVENTS)
        except BlockingIOError:
            return
        self._loop.unwatch(beat.instance)
        beat.paused = True
        self._loop.call_at(self._loop.now() + PAUSE_S, lambda: self._listen(beat))
        grown: dict[Tail, None] = {}
        for number, mask, name in inotify.parse(raw):
            tail = beat.watches.get(number)
            if mask & inotify.Q_OVERFLOW:
                grown.update(dict.fromkeys(beat.tails.values()))
                self._ask(beat)
            elif tail is not None:
                grown[tail] = None
                if mask & inotify.MOVE_SELF or (mask & inotify.ATTRIB and not self._is_linked(tail)):
                    self._ask(beat)
            elif number in beat.directories and (not name or self._is_meant(beat, number, os.fsdecode(name))):
                self._ask(beat)
        for tail in grown:
            self._look(beat, tail)

    @staticmethod
    def _is_meant(beat: Beat, number: int, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, part) for part in beat.directories[number])

    def _ask(self, beat: Beat) -> None:
        """Have an attendant look again, not more often than every ASK_S."""
        if beat.is_asking or not beat.patterns:
            return
        beat.is_asking = True
        now = self._loop.now()
        if now >= beat.ask_at:
            self._ask_now(beat)
        else:
            self._loop.call_at(beat.ask_at, lambda: self._ask_now(beat))

    def _ask_now(self, beat: Beat) -> None:
        if self._beats.get(beat.service) is not beat or not beat.is_asking:
            return
        beat.ask_at = self._loop.now() + ASK_S
        wanted = [list(each) for each in self._wanted(beat)]
        beat.wanted = {inode for _, inode in wanted}
        fds = (beat.instance,) if beat.instance >= 0 else ()
        self._send({"do": "attend", "service": beat.service, "wanted": wanted}, fds)

    # -- one file --

    def _take(self, beat: Beat, told: Message, fd: int) -> bool:
        """A file, open. False: we have it already, or it is none of ours."""
        if not is_readable_file(fd):
            self._complain(beat.service, f"{told['path']} is not watched: it is no file that can be read")
            return False
        status = os.fstat(fd)
        key = status.st_dev, status.st_ino
        tail = beat.tails.get(key)
        if tail is not None:
            beat.watches[told["watch"]] = tail
            tail.is_former = told["former"]
            self._look(beat, tail)
            return False
        if self._take_copy(beat, status, fd):
            return True
        log = f"{beat.service}.file-{status.st_dev:x}-{status.st_ino}"
        if told["former"] and not os.path.exists(self._record_path(log)):
            return False
        try:
            os.makedirs(self._directory, 0o700, exist_ok=True)
            record_fd = os.open(self._record_path(log), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            self._complain(beat.service, f"{told['path']} is not watched: {error.strerror}")
            return False
        judged = self._watches.recorded_position(log)
        try:
            record = ledger.load(record_fd)
            is_new = record is None or (record["cut"] is None and _is_another(record, fd, status.st_size, judged))
            if record is None:
                record = ledger.entry(status, ledger.head_of(fd))
        except OSError as error:
            os.close(record_fd)
            self._complain(beat.service, f"{told['path']} is not watched: {error.strerror}")
            return False
        tail = Tail(log, told["path"], fd, record, record_fd, told["former"])
        beat.tails[key] = beat.watches[told["watch"]] = tail
        with self._forgiving(beat, tail):
            self._begin(beat, tail, judged if is_new else None, is_new=is_new)
        return True

    def _begin(self, beat: Beat, tail: Tail, judged: int | None, *, is_new: bool) -> None:
        record = tail.record
        if not ledger.try_lock(tail.record_fd):
            tail.cutting = True
            self._wait_for_cut(beat, tail)
            return
        ledger.unlock(tail.record_fd)
        if record["cut"] is not None:
            ledger.settle(record, tail.fd)
        elif is_new:
            # Another file under a number that was used before goes on behind what that one had.
            record.update(base=judged or 0, head=ledger.head_of(tail.fd), earlier=[])
        self._save(beat, tail)
        self._watch(beat, tail, record["base"] if is_new and beat.is_known else None)
        self._look(beat, tail)

    def _take_copy(self, beat: Beat, status: os.stat_result, fd: int) -> bool:
        """A copy of what was cut off a file, opened for a logger that has not read it to its end."""
        for tail in beat.tails.values():
            if any(inode == status.st_ino for inode, _, _ in tail.record["earlier"]):
                _keep_copy(tail, status.st_ino, fd)
                self._watches.grown(tail.log)
                return True
        return False

    def _watch(self, beat: Beat, tail: Tail, start: int | None) -> None:
        if beat.rules:
            self._watches.begin(beat.service, tail.log, beat.rules, TailSource(tail, beat), start=start, path=tail.path)
        else:
            self._watches.end(tail.log)

    def _look(self, beat: Beat, tail: Tail) -> None:
        """It may have grown, or have been emptied."""
        if not tail.cutting:
            with self._forgiving(beat, tail):
                self._look_closer(beat, tail)

    @contextlib.contextmanager
    def _forgiving(self, beat: Beat, tail: Tail) -> Iterator[None]:
        """Any file system may fail at any time, and a service may have its files on one of its own (FUSE)."""
        try:
            yield
        except OSError as error:
            self._complain(beat.service, f"{tail.path}: {error.strerror}")

    def _look_closer(self, beat: Beat, tail: Tail) -> None:
        size = os.fstat(tail.fd).st_size
        record = tail.record
        if size < tail.seen or not ledger.begins_with(tail.fd, record["head"]):
            if _is_somebody_cutting(tail):
                tail.cutting = True
                self._wait_for_cut(beat, tail)
                return
            # Emptied by somebody: what comes now is new. (What nobody had read of the old is gone.)
            record["base"] += tail.seen
            record["head"] = ledger.head_of(tail.fd)
            self._save(beat, tail)
        elif size > tail.seen < ledger.HEAD:
            record["head"] = ledger.head_of(tail.fd)
            self._save(beat, tail)
        tail.seen = size
        self._drop_copies(tail)
        self._watches.grown(tail.log)
        if beat.max_size and size >= max(beat.max_size, 2 * tail.asked_size) and not tail.is_former:
            self._cut(beat, tail)

    def _drop_copies(self, tail: Tail) -> None:
        """Copies that were judged to their end."""
        position = self._watches.position(tail.log)
        for inode, _, end in tail.record["earlier"]:
            if inode in tail.earlier and (position is None or position >= end):
                os.close(tail.earlier.pop(inode))

    def _give_up_copies(self, beat: Beat, tail: Tail) -> None:
        """Copies that were looked for and are not there."""
        lost = [each for each in tail.record["earlier"] if each[0] in beat.wanted and each[0] not in tail.earlier]
        if lost and not tail.cutting:
            tail.record["earlier"] = [each for each in tail.record["earlier"] if each not in lost]
            self._save(beat, tail)
            self._watches.grown(tail.log)

    def _is_caught_up(self, tail: Tail) -> bool:
        """Whether nothing of what was cut off is still to be judged: another cut would move it further away."""
        position = self._watches.position(tail.log)
        return position is None or position >= tail.record["base"]

    def _save(self, beat: Beat, tail: Tail) -> None:
        try:
            ledger.save(tail.record_fd, tail.record)
        except OSError as error:
            self._complain(beat.service, f"{tail.path}: its place cannot be recorded: {error.strerror}")

    # -- rotating --

    def _cut(self, beat: Beat, tail: Tail) -> None:
        if not tail.cutting and not tail.is_former:
            with self._forgiving(beat, tail):
                self._have_cut(beat, tail)

    def _have_cut(self, beat: Beat, tail: Tail) -> None:
        size = os.fstat(tail.fd).st_size
        if not size:
            return
        if not self._is_caught_up(tail):
            if not tail.is_behind:
                tail.is_behind = True
                self._loop.call_at(self._loop.now() + LOCKED_S, lambda: self._cut_later(beat, tail))
            return
        tail.cutting = True
        tail.asked_size = size
        message = {
            "do": "cut",
            "service": beat.service,
            "path": tail.path,
            "dev": tail.record["dev"],
            "ino": tail.record["ino"],
        }
        self._send(message, (tail.record_fd,))

    def _cut_later(self, beat: Beat, tail: Tail) -> None:
        tail.is_behind = False
        if tail.fd >= 0:
            self._cut(beat, tail)

    def _after_cut(self, beat: Beat, tail: Tail, copy: int = -1) -> None:
        tail.cutting = False
        with self._forgiving(beat, tail):
            self._take_up(beat, tail, copy)

    def _take_up(self, beat: Beat, tail: Tail, copy: int) -> None:
        """Whatever became of it stands in the record."""
        record = ledger.load(tail.record_fd)
        if record is not None:
            if record["cut"] is not None:
                ledger.settle(record, tail.fd)
            if record["base"] != tail.record["base"]:
                tail.asked_size = 0
            tail.record = record
            _drop_unnamed(tail)
        if copy >= 0:
            _keep_copy(tail, os.fstat(copy).st_ino, copy)
        tail.seen = os.fstat(tail.fd).st_size
        if tail.seen < ledger.HEAD or record is None:
            tail.record["head"] = ledger.head_of(tail.fd)
        self._save(beat, tail)
        if tail.log not in self._watches:
            self._watch(beat, tail, None)
        if any(inode not in tail.earlier for inode, _, end in tail.record["earlier"]):
            position = self._watches.position(tail.log)
            if position is not None and position < tail.record["base"]:
                self._ask(beat)  # the copy has to be found first
        self._look(beat, tail)

    def _wait_for_cut(self, beat: Beat, tail: Tail) -> None:
        """Somebody else's order: until the record is unlocked its positions may still move."""
        is_free = False
        with self._forgiving(beat, tail):
            fd = os.open(f"/proc/self/fd/{tail.record_fd}", os.O_RDWR | os.O_CLOEXEC)
            is_free = ledger.try_lock(fd)
            os.close(fd)
        if is_free:
            tail.asked_size = 0  # whoever was asked may never have heard of it
            self._after_cut(beat, tail)
        elif tail.record_fd >= 0:
            self._loop.call_at(self._loop.now() + LOCKED_S, lambda: self._look_for_lock(beat, tail))

    def _look_for_lock(self, beat: Beat, tail: Tail) -> None:
        if tail.cutting and tail.record_fd >= 0:
            self._wait_for_cut(beat, tail)

    # -- ends --

    def _drop_formers(self, beat: Beat) -> None:
        """Files that are unlinked go once their successor is there; of renamed ones the latest are kept."""
        current = {tail.path for tail in beat.tails.values() if not tail.is_former and self._is_linked(tail)}
        formers: dict[str, list[tuple[int, int]]] = {}
        for key, tail in list(beat.tails.items()):
            if not self._is_linked(tail) and tail.path in current:
                self._judge_and_drop(beat, key)
            elif tail.is_former:
                formers.setdefault(tail.path, []).append(key)
        for keys in formers.values():
            for key in keys[:-MOST_FORMER]:
                self._judge_and_drop(beat, key)
        # Names with a date in them: nothing ever takes their place, and a deleted file that is open fills the disk.
        unlinked = [key for key, tail in beat.tails.items() if tail.is_former and not self._is_linked(tail)]
        for key in unlinked[:-MOST_FORMER]:
            self._judge_and_drop(beat, key)
        former = [key for key, tail in beat.tails.items() if tail.is_former]
        for key in former[:-MOST_FORMERS]:
            self._judge_and_drop(beat, key)

    @staticmethod
    def _is_linked(tail: Tail) -> bool:
        try:
            return os.fstat(tail.fd).st_nlink > 0
        except OSError:
            return False

    def _judge_and_drop(self, beat: Beat, key: tuple[int, int]) -> None:
        """Once all of it was judged it is let go; until then it is looked at again with the next answer."""
        tail = beat.tails[key]
        position = self._watches.position(tail.log)
        if position is not None and not self._watches.is_through(tail.log):
            self._watches.life_over(tail.log)
            self._loop.call_at(self._loop.now() + ASK_S, lambda: self._drop_later(beat, key))
            return
        self._drop(beat, key, is_for_good=True)

    def _drop_later(self, beat: Beat, key: tuple[int, int]) -> None:
        if self._beats.get(beat.service) is beat and key in beat.tails:
            self._judge_and_drop(beat, key)

    def _drop(self, beat: Beat, key: tuple[int, int], *, is_for_good: bool) -> None:
        tail = beat.tails.pop(key)
        for number in [number for number, each in beat.watches.items() if each is tail]:
            del beat.watches[number]
        if is_for_good:
            self._watches.end(tail.log)
            with contextlib.suppress(OSError):
                os.unlink(self._record_path(tail.log))
        else:
            self._watches.leave(tail.log)
        for fd in (tail.fd, tail.record_fd, *tail.earlier.values()):
            os.close(fd)
        tail.fd = tail.record_fd = -1

    def _forget(self, beat: Beat) -> None:
        """The service has no such files any more."""
        for key in list(beat.tails):
            self._drop(beat, key, is_for_good=True)
        if beat.instance >= 0:
            self._loop.unwatch(beat.instance)
            os.close(beat.instance)
            beat.instance = -1
        del self._beats[beat.service]
        with contextlib.suppress(OSError):
            os.unlink(self._marker_path(beat.service))

    # -- what is on disk --

    def _record_path(self, log: str) -> str:
        return os.path.join(self._directory, log + SUFFIX)

    def _marker_path(self, service: str) -> str:
        return os.path.join(self._directory, f"{service}.files")

    def _marker(self, beat: Beat) -> None:
        """From now on a file that appears is new, and judged from its beginning."""
        if not beat.is_known:
            beat.is_known = True
            with contextlib.suppress(OSError):
                os.makedirs(self._directory, 0o700, exist_ok=True)
                os.close(os.open(self._marker_path(beat.service), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _wanted(self, beat: Beat) -> list[tuple[int, int]]:
        """What a predecessor followed: perhaps it has another name by now."""
        beat.is_known = beat.is_known or os.path.exists(self._marker_path(beat.service))
        found = []
        for name in self._records(beat.service):
            with contextlib.suppress(OSError):
                fd = os.open(os.path.join(self._directory, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                record = ledger.load(fd)
                os.close(fd)
                if record is not None:
                    found.append((record["dev"], record["ino"]))
                    found += [(record["dev"], inode) for inode, _, _ in record["earlier"]]
        return found[:200]

    def _records(self, service: str) -> list[str]:
        try:
            names = os.listdir(self._directory)
        except OSError:
            return []
        return [name for name in names if name.startswith(f"{service}.file-") and name.endswith(SUFFIX)]

    def _drop_stale(self, beat: Beat) -> None:
        """Records of files that cannot be found; some are kept, they may come back with their directory."""
        known = {tail.log + SUFFIX for tail in beat.tails.values()}
        paths = [os.path.join(self._directory, name) for name in self._records(beat.service) if name not in known]
        if len(paths) <= MOST_STALE:
            return
        with contextlib.suppress(OSError):
            for path in sorted(paths, key=os.path.getmtime)[:-MOST_STALE]:
                os.unlink(path)
                os.unlink(path.removesuffix(SUFFIX))


def is_readable_file(fd: int) -> bool:
    """It came from somebody with a service's rights: anything else could stop us, or make us wait."""
    try:
        mode = fcntl.fcntl(fd, fcntl.F_GETFL)
        return stat.S_ISREG(os.fstat(fd).st_mode) and not mode & os.O_PATH and mode & os.O_ACCMODE != os.O_WRONLY
    except OSError:
        return False


def _keep_copy(tail: Tail, inode: int, fd: int) -> None:
    """Only what the record names is read, and only that is let go again."""
    if not any(inode == each for each, _, _ in tail.record["earlier"]):
        os.close(fd)
        return
    if inode in tail.earlier:
        os.close(tail.earlier[inode])
    tail.earlier[inode] = fd


def _drop_unnamed(tail: Tail) -> None:
    """Copies that the record does not name any more."""
    named = {inode for inode, _, _ in tail.record["earlier"]}
    for inode in [each for each in tail.earlier if each not in named]:
        os.close(tail.earlier.pop(inode))


def _is_inotify(fd: int) -> bool:
    return os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:inotify"


def _is_somebody_cutting(tail: Tail) -> bool:
    """Whether the record has moved on without us: an attendant whose supervisor died before we heard of it."""
    found = ledger.load(tail.record_fd)
    return found is not None and (found["cut"] is not None or found["base"] != tail.record["base"])


def _is_another(record: ledger.Entry, fd: int, size: int, judged: int | None) -> bool:
    """Whether the file is not the one that the record speaks of, or has been emptied since."""
    return not ledger.begins_with(fd, record["head"]) or (judged is not None and judged - record["base"] > size)
