"""Rotating a file that its service keeps open, as the service's user; which way is safe, the supervisor has found out.

`rename`    FILE becomes FILE.1; nobody has it open
`reopen`    the same, and the service is told to open it again (by the supervisor, afterwards)
`collapse`  the head is copied to FILE.1, then taken out of the file (fallocate(2), FALLOC_FL_COLLAPSE_RANGE): whole
            blocks only, so the cut lies at a block's end, not at a line's; no writer is disturbed
`freeze`    all but the last is copied; then the service's cgroup is frozen, the rest copied, the file emptied and the
            cgroup thawed

The last two only if every writer appends (O_APPEND): another would go on at its old offset and leave a hole. What was
cut off is under its name only when it is complete. Nothing is opened through a symbolic link, nothing that has another
name, belongs to somebody else, or is not the very file that was meant; everything is named relative to the directory
that was opened first.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import stat
import time

from amonsup.logs import ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FREEZE_S = 1.0
"""How long a service may be kept frozen."""

RECORD_FD = 4
SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_COLLAPSE_RANGE = 0x08


class CutError(Exception):
    """Why nothing was done; for people."""


class Cgroup:
    """The service's cgroup, by descriptors that somebody who may has opened: cgroup.freeze and cgroup.events."""

    def __init__(self, freeze: int, events: int) -> None:
        self._freeze = freeze
        self._events = events
        self.until = 0.0

    def freeze(self) -> None:
        self.until = time.monotonic() + FREEZE_S
        os.pwrite(self._freeze, b"1", 0)
        poll = select.poll()
        poll.register(self._events, select.POLLPRI)
        while b"frozen 1" not in os.pread(self._events, 4096, 0):
            left = self.until - time.monotonic()
            if left <= 0:
                raise CutError("the service could not be frozen")
            poll.poll(left * 1000)

    def thaw(self) -> None:
        with contextlib.suppress(OSError):
            os.pwrite(self._freeze, b"0", 0)

    @property
    def is_certain(self) -> bool:
        """Whether nobody can have thawed it yet."""
        return time.monotonic() < self.until


class Copies:
    """FILE.1, FILE.2.gz and so on in the directory of FILE; everything by name relative to it. Raises OSError."""

    def __init__(self, path: str) -> None:
        directory, self.name = os.path.split(path)
        self.directory = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def make_room(self, max_files: int) -> None:
        """FILE.1 becomes FILE.2 and so on; what is beyond `max_files` goes (the current file counts).

        Only an unbroken series is ours: a FILE.20261123 of somebody else is left alone.
        """
        numbers = self._numbers()
        for number in range(_series(numbers), 0, -1):
            for packed in numbers[number]:
                name = f"{self.name}.{number}{packed}"
                if number > 1 and number + 1 >= max_files:
                    os.unlink(name, dir_fd=self.directory)
                else:
                    self.move(name, f"{self.name}.{number + 1}{packed}")

    def bound(self, max_total: int) -> None:
        """The oldest copies go until all files take at most `max_total` bytes; FILE.1 stays."""
        numbers = self._numbers()
        names = [(1, self.name)]
        for number in range(1, _series(numbers) + 1):
            names += [(number, f"{self.name}.{number}{packed}") for packed in numbers[number]]
        total = 0
        for number, name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(name, dir_fd=self.directory, follow_symlinks=False).st_size
            if number > 1 and total > max_total:
                self.drop(name)

    def pack(self) -> None:
        """FILE.2 and older are compressed. FILE.1 stays as it is: somebody may still be reading it."""
        numbers = self._numbers()
        for number in range(2, _series(numbers) + 1):
            if "" in numbers[number]:
                self._pack(f"{self.name}.{number}")

    def move(self, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=self.directory, dst_dir_fd=self.directory)

    def drop(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.directory)

    def _numbers(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        form = re.compile(re.escape(self.name) + r"\.([1-9][0-9]{0,5})(\.gz)?")
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.directory)
        try:
            for entry in os.listdir(fd):
                match = form.fullmatch(entry)
                if match:
                    found.setdefault(int(match[1]), []).append(match[2] or "")
        finally:
            os.close(fd)
        return found

    def _pack(self, name: str) -> None:
        from amonsup.logbook.gz import packed

        source = os.open(name, os.O_RDONLY | SAFE, dir_fd=self.directory)
        with open(source, "rb") as plain:
            status = os.fstat(source)
            if unfit(status):
                return
            temporary = f".{self.name}.amonsup-gz"
            self.drop(temporary)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFE
            target = os.open(temporary, flags, stat.S_IMODE(status.st_mode) & 0o777, dir_fd=self.directory)
            blocks = iter(lambda: plain.read(1 << 20), b"")
            with open(target, "wb") as raw:
                raw.writelines(packed(blocks, status.st_size, int(status.st_mtime)))
            self.move(temporary, f"{name}.gz")
            self.drop(name)


def _series(numbers: dict[int, list[str]]) -> int:
    last = 0
    while last + 1 in numbers:
        last += 1
    return last


class Cut:
    """One rotation of one file. `wanted`: its device and inode."""

    def __init__(self, path: str, wanted: tuple[int, int], record_fd: int) -> None:
        self.copies = Copies(path)
        self.name = self.copies.name
        self.directory = self.copies.directory
        self.record_fd = record_fd
        self.fd = self._open(wanted)

    def carry_out(self, method: str, max_files: int, cgroup: Cgroup | None) -> int:
        """How many bytes were cut off; 0: it is not worth it. Raises CutError and OSError."""
        record = ledger.load(self.record_fd)
        if record is None:
            raise CutError("nothing is known of the file yet")
        if ledger.settle(record, self.fd):
            ledger.save(self.record_fd, record)
        self._take_up_copy(record, max_files)
        if method in ("rename", "reopen"):
            return self._rename(max_files)
        bytes_ = self._collapse(record) if method == "collapse" else self._empty(record, cgroup)
        self._take_up_copy(record, max_files)
        return bytes_

    # -- the three ways --

    def _rename(self, max_files: int) -> int:
        size = os.fstat(self.fd).st_size
        if size:
            self.copies.make_room(max_files)
            self.copies.move(self.name, f"{self.name}.1")
        return size

    def _collapse(self, record: ledger.Entry) -> int:
        status = os.fstat(self.fd)
        block = max(os.fstatvfs(self.fd).f_bsize, 4096)
        bytes_ = (status.st_size - 1) // block * block
        if bytes_ <= 0:
            return 0
        copy = self._copy(status)
        try:
            _copy_range(self.fd, copy, 0, bytes_)
            self._announce(record, copy, bytes_, status.st_size, empties=False)
            try:
                _collapse_range(self.fd, bytes_)
            except OSError:
                record["cut"] = None
                ledger.save(self.record_fd, record)
                self._drop_copy()
                raise
            self._done(record)
        finally:
            os.close(copy)
        return bytes_

    def _empty(self, record: ledger.Entry, cgroup: Cgroup | None) -> int:
        status = os.fstat(self.fd)
        if not status.st_size:
            return 0
        copy = self._copy(status)
        try:
            bytes_ = _copy_range(self.fd, copy, 0, status.st_size)
            try:
                if cgroup is not None:
                    cgroup.freeze()
                bytes_ += _copy_range(self.fd, copy, bytes_, None)
                self._announce(record, copy, bytes_, bytes_, empties=True)
                if cgroup is not None and not cgroup.is_certain:
                    raise CutError("the service could not be kept frozen long enough")
                os.ftruncate(self.fd, 0)
                self._done(record)
            finally:
                if cgroup is not None:
                    cgroup.thaw()
        except (CutError, OSError):
            if record["cut"] is not None:
                record["cut"] = None
                ledger.save(self.record_fd, record)
            self._drop_copy()
            raise
        finally:
            os.close(copy)
        return bytes_

    def _announce(self, record: ledger.Entry, copy: int, bytes_: int, size: int, *, empties: bool) -> None:
        record["head"] = ledger.head_of(self.fd)
        record["cut"] = {"bytes": bytes_, "size": size, "empties": empties, "ino": os.fstat(copy).st_ino}
        ledger.save(self.record_fd, record)

    def _done(self, record: ledger.Entry) -> None:
        ledger.carried_out(record, self.fd)
        ledger.save(self.record_fd, record)

    # -- copies --

    @property
    def _copy_name(self) -> str:
        return f".{self.name}.amonsup-cut"

    def _copy(self, status: os.stat_result) -> int:
        self._drop_copy()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | SAFE
        fd = os.open(self._copy_name, flags, 0o600, dir_fd=self.directory)
        os.fchmod(fd, stat.S_IMODE(status.st_mode) & 0o777)
        with contextlib.suppress(OSError):
            os.fchown(fd, -1, status.st_gid)
        return fd

    def _drop_copy(self) -> None:
        self.copies.drop(self._copy_name)

    def _take_up_copy(self, record: ledger.Entry, max_files: int) -> None:
        """A copy whose cut was carried out becomes FILE.1; also one that an earlier attendant was killed over."""
        try:
            status = os.stat(self._copy_name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not any(inode == status.st_ino for inode, _, _ in record["earlier"]):
            self._drop_copy()
            return
        self.copies.make_room(max_files)
        self.copies.move(self._copy_name, f"{self.name}.1")

    def _open(self, wanted: tuple[int, int]) -> int:
        fd = os.open(self.name, os.O_RDWR | SAFE, dir_fd=self.directory)
        reason = unfit(os.fstat(fd))
        status = os.fstat(fd)
        if not reason and (status.st_dev, status.st_ino) != wanted:
            reason = "it is another file by now"
        if reason:
            os.close(fd)
            raise CutError(reason)
        return fd


def unfit(status: os.stat_result) -> str:
    """Why a file is not one that the service writes; empty: it is. Asked as the service's user."""
    kinds = {
        stat.S_IFDIR: "is a directory",
        stat.S_IFLNK: "is a symbolic link: name the file itself",
        stat.S_IFIFO: "is a FIFO",
        stat.S_IFSOCK: "is a socket",
        stat.S_IFCHR: "is a device",
        stat.S_IFBLK: "is a device",
    }
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        return kinds.get(kind, "is not a regular file")
    if status.st_uid != os.geteuid():
        return f"belongs to uid {status.st_uid}, not to uid {os.geteuid()}, who the service runs as"
    if status.st_nlink > 1:
        return f"has {status.st_nlink} names (hard links)"
    return ""


def _copy_range(source: int, target: int, begin: int, length: int | None) -> int:
    """Copy from `begin` on, to the end of `target`; `length` None: to the end. Returns how much."""
    copied = 0
    os.lseek(target, 0, os.SEEK_END)
    while length is None or copied < length:
        most = 1 << 20 if length is None else min(1 << 20, length - copied)
        raw = os.pread(source, most, begin + copied)
        if not raw:
            break
        left = memoryview(raw)
        while left:
            left = left[os.write(target, left) :]
        copied += len(raw)
    if length is not None and copied < length:
        raise OSError(errno.EIO, "the file became shorter while it was copied")
    return copied


def _collapse_range(fd: int, length: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    size = ctypes.c_int64
    if libc.fallocate64(fd, _COLLAPSE_RANGE, size(0), size(length)) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def main(options: dict[str, Any], link: int) -> tuple[dict[str, Any], list[int]]:
    """Options: path, dev, ino, method, max_files. Descriptors: RECORD_FD, 5 and 6 the cgroup's.

    `link` leads to whoever has ordered it. Once he is dead the logger takes what it finds unlocked as final: so it is
    asked for with the lock in hand whether he still lives.
    """
    cut: Cut | None = None
    try:
        cut = Cut(options["path"], (options["dev"], options["ino"]), RECORD_FD)
        cgroup = Cgroup(5, 6) if options["method"] == "freeze" and options["has_cgroup"] else None
        if not ledger.try_lock(RECORD_FD):
            raise CutError("it is being rotated already")
        try:
            if is_hung_up(link):
                raise CutError("whoever has ordered it is gone")
            bytes_ = cut.carry_out(options["method"], options["max_files"], cgroup)
        finally:
            ledger.unlock(RECORD_FD)
    except CutError as error:
        return {"ok": False, "text": str(error), "unsupported": False}, []
    except OSError as error:
        text = error.strerror or str(error)
        return {"ok": False, "text": text, "unsupported": error.errno in (errno.EOPNOTSUPP, errno.EINVAL)}, []
    copy = [os.open(f"{cut.name}.1", os.O_RDONLY | SAFE, dir_fd=cut.directory)] if bytes_ else []
    return {"ok": True, "bytes": bytes_}, copy


def is_hung_up(link: int) -> bool:
    """Whether the other end of a socket is closed."""
    poll = select.poll()
    poll.register(link, 0)
    return bool(poll.poll(0))


def pack(options: dict[str, Any]) -> None:
    """After the rotation was told: nobody waits for this. Options: path, compress, max_total (bytes; 0: no bound)."""
    if options["compress"]:
        with contextlib.suppress(OSError):
            Copies(options["path"]).pack()
    if options["max_total"]:
        with contextlib.suppress(OSError):
            Copies(options["path"]).bound(options["max_total"])
