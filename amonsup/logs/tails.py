"""Files that services write by themselves, followed: where each is, what became of it, when it is to be rotated.

An attendant (attendant.py) opens the files and passes descriptors and an inotify instance; here nothing is opened but
our own records. Each inode is a log of its own with a ledger (ledger.py), so a file that was renamed is read to its
end while its successor is read from its beginning. What is judged, and how far, is the business of `Watches`.

Nothing is asked for in vain: events of the instance say that a file has grown, was renamed or unlinked, or that a name
has appeared in a directory; only then, and at most every ASK_S, an attendant is asked to look again.
"""

from __future__ import annotations

import contextlib
import os

from amonsup.logs import inotify, ledger
from amonsup.logs.alarm import Alarm
from amonsup.logs.life import waiting
from amonsup.logs.settings import NEVER
from amonsup.logs.tail_cuts import Cuts
from amonsup.logs.tail_records import Records
from amonsup.logs.tailed import (
    RETRY_S,
    Beat,
    Tail,
    TailSource,
    is_another,
    is_inotify,
    is_linked,
    is_meant,
    is_readable_file,
    is_somebody_cutting,
    keep_copy,
    superfluous,
)
from amonsup.logs.watches import RECORD_DIR, Watches
from amonsup.loop.loop import READ, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from amonsup.logs.watching import Rule
    from amonsup.loop.channel import Message

PAUSE_S = 0.003
ASK_S = 1.0
READ_EVENTS = 65536
MOST_RETRY_S = 300.0


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
        self._records = Records(os.path.join(log_dir, RECORD_DIR))
        self._watches = watches
        self._send = send
        self._complain = complain
        self._beats: dict[str, Beat] = {}
        self._cuts = Cuts(self, loop, watches, send)

    # -- told by the supervisor --

    def follow(self, service: str, patterns: list[str], max_size: int, rotate: str = NEVER, by: str = "") -> None:
        """These are the service's files now, to be rotated at that size and then. Every supervisor (`by`) says it."""
        beat = self._beats.get(service)
        if not patterns:
            if beat is not None:
                self._forget(beat)
            return
        if beat is None:
            beat = self._beats[service] = Beat(service, Alarm(self._loop, lambda: self.rotate(service)))
        beat.max_size = max_size
        beat.alarm.set(rotate)
        is_same = beat.patterns == patterns
        beat.patterns = patterns
        is_new, beat.by = not by or by != beat.by, by
        is_lost = is_new and self._begin_anew(beat)
        if is_lost or not is_same or not beat.tails:
            self.ask(beat)
        else:
            files = [[t.path, t.record["dev"], t.record["ino"]] for t in beat.tails.values() if not t.is_former][:50]
            self._send({"do": "following", "service": service, "files": files}, ())

    def _begin_anew(self, beat: Beat) -> bool:
        """Whoever was asked for something has died with his supervisor. Whether a question was lost by that."""
        was_asking, beat.is_asking = beat.is_asking, False
        for tail in beat.tails.values():
            if tail.cutting:
                self._cuts.wait(beat, tail)
        return was_asking

    def set_rules(self, service: str, rules: list[Rule]) -> None:
        beat = self._beats.get(service)
        if beat is None:
            return
        beat.rules = rules
        for tail in beat.tails.values():
            self.watch(beat, tail, None)

    def began(self, service: str, generation: int) -> None:
        """A life of the service: what is read from now on counts as its."""
        beat = self._beats.get(service)
        if beat is not None:
            beat.generation = generation

    def found(self, message: Message, fds: list[int]) -> None:
        """An attendant's answer, or a part of it. The descriptors that are used are taken out of `fds`."""
        beat = self._beats.get(message["service"])
        if beat is None:
            return
        if message.get("failed") or len(fds) < len(message["files"]) + (1 if message["first"] else 0):
            beat.is_asking = False
            self._ask_later(beat)
            return
        if message["first"]:
            if not is_inotify(fds[0]):
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
            beat.retry_s = RETRY_S
            for key, tail in beat.tails.items():
                tail.is_former = tail.is_former or key not in beat.answered
            if not beat.is_known:  # from now on a file that appears is new, and judged from its beginning
                beat.is_known = True
                self._records.mark(beat.service)
            for tail in beat.tails.values():
                self._give_up_copies(beat, tail)
            if beat.spared is not None:
                for key in beat.tails.keys() - beat.spared:
                    self._cuts.cut(beat, beat.tails[key])
                is_still_looked_for = beat.is_asking or beat.is_asked_again
                beat.spared = set(beat.tails) if is_still_looked_for else None
            if beat.is_asked_again:
                self.ask(beat)
            self._drop_formers(beat)
            self._records.drop_stale(beat.service, [tail.log for tail in beat.tails.values()])

    def was_cut(self, message: Message, fds: list[int]) -> None:
        """What came of a rotation; with it comes the copy, as long as anything was cut off."""
        beat = self._beats.get(message["service"])
        tail = beat.tails.get((message["dev"], message["ino"])) if beat is not None else None
        if beat is None or tail is None:
            return
        if message["again"]:
            tail.asked_size = 0
        copy = fds.pop(0) if fds and is_readable_file(fds[0]) else -1
        self._cuts.done(beat, tail, copy)

    def rotate(self, service: str) -> None:
        """All files of the service, now; one that is too young to be known, as soon as it is found."""
        beat = self._beats.get(service)
        if beat is not None:
            if beat.instance >= 0:
                self._take_events(beat)
            for tail in list(beat.tails.values()):
                self._cuts.cut(beat, tail)
            beat.spared = set(beat.tails) if beat.is_asking else None

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
        if self._take_events(beat):
            self._loop.unwatch(beat.instance)
            beat.paused = True
            self._loop.call_at(self._loop.now() + PAUSE_S, lambda: self._listen(beat))

    def _take_events(self, beat: Beat) -> bool:
        """False: there were none. Whoever opened the instance can make a read wait, so first it is asked."""
        if not waiting(beat.instance):
            return False
        try:
            raw = os.read(beat.instance, READ_EVENTS)
        except BlockingIOError:
            return False
        grown: dict[Tail, None] = {}
        for number, mask, name in inotify.parse(raw):
            tail = beat.watches.get(number)
            if mask & inotify.Q_OVERFLOW:
                grown.update(dict.fromkeys(beat.tails.values()))
                self.ask(beat)
            elif tail is not None:
                grown[tail] = None
                if mask & inotify.MOVE_SELF or (mask & inotify.ATTRIB and not is_linked(tail)):
                    self.ask(beat)
            elif number in beat.directories and (not name or is_meant(beat.directories[number], os.fsdecode(name))):
                self.ask(beat)
        for tail in grown:
            self.look(beat, tail)
        return True

    def ask(self, beat: Beat) -> None:
        """Have an attendant look again, not more often than every ASK_S."""
        if beat.is_asking or not beat.patterns:
            beat.is_asked_again = beat.is_asking
            return
        beat.is_asking = True
        now = self._loop.now()
        if now >= beat.ask_at:
            self._ask_now(beat)
        else:
            self._loop.call_at(beat.ask_at, lambda: self._ask_now(beat))

    def _ask_later(self, beat: Beat) -> None:
        """Nobody could look: nothing may ever happen there that would make us ask again."""
        if beat.retry is None:
            beat.retry = self._loop.call_at(self._loop.now() + beat.retry_s, lambda: self._ask_again(beat))
            beat.retry_s = min(2 * beat.retry_s, MOST_RETRY_S)

    def _ask_again(self, beat: Beat) -> None:
        beat.retry = None
        if self._beats.get(beat.service) is beat:
            self.ask(beat)

    def _ask_now(self, beat: Beat) -> None:
        if self._beats.get(beat.service) is not beat or not beat.is_asking:
            return
        beat.ask_at = self._loop.now() + ASK_S
        beat.is_asked_again = False
        beat.is_known = beat.is_known or self._records.is_marked(beat.service)
        wanted = [list(each) for each in self._records.inodes(beat.service)]
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
            self.look(beat, tail)
            return False
        if self._take_copy(beat, status, fd):
            return True
        log = f"{beat.service}.file-{status.st_dev:x}-{status.st_ino}"
        if told["former"] and not self._records.has(log):
            return False
        try:
            record_fd = self._records.open(log)
        except OSError as error:
            self._complain(beat.service, f"{told['path']} is not watched: {error.strerror}")
            return False
        judged = self._watches.recorded_position(log)
        is_free = ledger.try_lock(record_fd)  # while somebody cuts, record and file need not fit
        try:
            record = ledger.load(record_fd)
            is_new = record is None or (record["cut"] is None and is_another(record, fd, judged))
            if record is None:
                record = ledger.entry(status, ledger.head_of(fd))
        except OSError as error:
            os.close(record_fd)
            self._complain(beat.service, f"{told['path']} is not watched: {error.strerror}")
            return False
        tail = Tail(log, told["path"], fd, record, record_fd, told["former"])
        beat.tails[key] = beat.watches[told["watch"]] = tail
        with self.forgiving(beat, tail):
            if is_free:
                self._settle(beat, tail, judged if is_new else None, is_new=is_new)
                self._begin(beat, tail, told.get("size"), is_new=is_new)
            else:
                tail.cutting = True
                self._cuts.wait(beat, tail)
        return True

    def _settle(self, beat: Beat, tail: Tail, judged: int | None, *, is_new: bool) -> None:
        """Record and file fit from now on, and may be used: the record is unlocked."""
        record = tail.record
        try:
            if record["cut"] is not None:
                ledger.settle(record, tail.fd)
            elif is_new:
                # Another file under a number that was used before goes on behind what that one had.
                record.update(base=judged or 0, head=ledger.head_of(tail.fd), earlier=[])
            self.save(beat, tail)
        finally:
            ledger.unlock(tail.record_fd)

    def _begin(self, beat: Beat, tail: Tail, size: int | None, *, is_new: bool) -> None:
        """`size`: the file's when it was opened, before anybody could be told that it is followed."""
        record = tail.record
        start = None
        if is_new and (beat.is_known or size is not None):
            start = record["base"] + (0 if beat.is_known else min(size or 0, os.fstat(tail.fd).st_size))
        self.watch(beat, tail, start)
        self.look(beat, tail)

    def _take_copy(self, beat: Beat, status: os.stat_result, fd: int) -> bool:
        """A copy of what was cut off a file, opened for a logger that has not read it to its end."""
        for tail in beat.tails.values():
            if any(inode == status.st_ino for inode, _, _ in tail.record["earlier"]):
                keep_copy(tail, status.st_ino, fd)
                self._watches.grown(tail.log)
                return True
        return False

    def watch(self, beat: Beat, tail: Tail, start: int | None) -> None:
        if beat.rules:
            self._watches.begin(beat.service, tail.log, beat.rules, TailSource(tail, beat), start=start, path=tail.path)
        else:
            self._watches.end(tail.log)

    def look(self, beat: Beat, tail: Tail) -> None:
        """It may have grown, or have been emptied."""
        if not tail.cutting:
            with self.forgiving(beat, tail):
                self._look_closer(beat, tail)

    @contextlib.contextmanager
    def forgiving(self, beat: Beat, tail: Tail) -> Iterator[None]:
        """Any file system may fail at any time, and a service may have its files on one of its own (FUSE)."""
        try:
            yield
        except OSError as error:
            self._complain(beat.service, f"{tail.path}: {error.strerror}")

    def _look_closer(self, beat: Beat, tail: Tail) -> None:
        size = os.fstat(tail.fd).st_size
        record = tail.record
        if size < tail.seen or not ledger.begins_with(tail.fd, record["head"]):
            if is_somebody_cutting(tail):
                tail.cutting = True
                self._cuts.wait(beat, tail)
                return
            # Emptied by somebody: what comes now is new. (What nobody had read of the old is gone.)
            record["base"] += tail.seen
            record["head"] = ledger.head_of(tail.fd)
            self.save(beat, tail)
        elif size > tail.seen < ledger.HEAD:
            record["head"] = ledger.head_of(tail.fd)
            self.save(beat, tail)
        tail.seen = size
        self._drop_copies(tail)
        self._watches.grown(tail.log)
        if beat.max_size and size >= max(beat.max_size, 2 * tail.asked_size) and not tail.is_former:
            self._cuts.cut(beat, tail)

    def _drop_copies(self, tail: Tail) -> None:
        """Copies that were judged to their end."""
        position = self._watches.position(tail.log)
        for inode, _, end in tail.record["earlier"]:
            if inode in tail.earlier and (position is None or position >= end):
                os.close(tail.earlier.pop(inode))

    def _give_up_copies(self, beat: Beat, tail: Tail) -> None:
        """Copies that were looked for twice and are not there: the first time they may just have been renamed."""
        if tail.cutting:
            return
        earlier = tail.record["earlier"]
        absent = {each[0] for each in earlier if each[0] in beat.wanted and each[0] not in tail.earlier}
        lost, tail.missing = absent & tail.missing, absent
        if lost:
            tail.record["earlier"] = [each for each in earlier if each[0] not in lost]
            self.save(beat, tail)
            self._watches.grown(tail.log)
        if absent - lost and self._is_needed(tail, absent - lost):
            self.ask(beat)

    def _is_needed(self, tail: Tail, copies: set[int]) -> bool:
        """Whether one of them has something that is not judged yet."""
        position = self._watches.position(tail.log)
        return position is not None and any(
            inode in copies and end > position for inode, _, end in tail.record["earlier"]
        )

    def save(self, beat: Beat, tail: Tail) -> None:
        try:
            ledger.save(tail.record_fd, tail.record)
        except OSError as error:
            self._complain(beat.service, f"{tail.path}: its place cannot be recorded: {error.strerror}")

    # -- ends --

    def _drop_formers(self, beat: Beat) -> None:
        """Files that are unlinked go once their successor is there; of renamed ones the latest are kept."""
        for key in superfluous(beat.tails):
            self._judge_and_drop(beat, key)

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
            self._records.drop(tail.log)
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
        beat.alarm.set(NEVER)
        del self._beats[beat.service]
        self._records.unmark(beat.service)
