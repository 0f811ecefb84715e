"""The attendant: a short-lived process that does, as a service's user, what is to be done to the service's own files.

It opens them for the logger, which need not be able to: descriptors and an inotify instance with watches go back
through the supervisor (see inotify.py). Or it rotates one (cutting.py). Because it may do what the service may and
nothing else, a link planted by the service leads nowhere where the service could not go itself.

Paths may have wildcards (*, ?, [) in every part. All directories on the way that may yet gain something are watched,
and where a directory is missing the one it is missing in. At most MOST_FILES files and MOST_DIRECTORIES directories.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import re
import signal
import socket

from amonsup.logs import cutting, inotify
from amonsup.loop.channel import MAX_MESSAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LINK_FD = 3
INSTANCE_FD = 4
MOST_FILES = 100
MOST_DIRECTORIES = 100
MOST_PROBLEMS = 20
FILES_PER_MESSAGE = 8
LOOKS = 3
"""For a file that is not where its number was just seen: a rotation renames all copies, and a listing may miss one."""

DEADLINE_S, CUT_S = 30, 900
"""Nobody else may be left to look after us."""

_MAGIC = re.compile(r"[*?[]")
_COPY = re.compile(r"\.[1-9][0-9]{0,5}(\.gz)?")


class Found:
    """What there is to be told."""

    def __init__(self, instance: int) -> None:
        self.instance = instance
        self.files: dict[tuple[int, int], tuple[dict[str, Any], int]] = {}
        self.directories: list[tuple[int, str]] = []  # (number of the watch, what a name must look like)
        self.problems: list[tuple[str, str]] = []
        self.folders: set[str] = set()

    def problem(self, path: str, text: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append((path, text))


def open_files(patterns: list[str], wanted: list[tuple[int, int]], instance: int) -> Found:
    """All files that the patterns name, and those `wanted` (by device and inode) that lie beside them."""
    found = Found(instance)
    for pattern in patterns:
        _walk(found, "/", [part for part in pattern.split("/") if part], pattern)
    for _ in range(LOOKS):
        missing = {inode for device, inode in wanted if (device, inode) not in found.files}
        if not missing:
            break
        for folder in found.folders:
            _take_former(found, folder, missing)
    return found


def _take_former(found: Found, folder: str, inodes: set[int]) -> None:
    """Files with these numbers, whatever they are called by now."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.inode() in inodes:
                _take(found, entry.path, is_former=True)


def _walk(found: Found, directory: str, parts: list[str], pattern: str) -> None:
    """One more part of the path, in a directory that is there."""
    part, rest = parts[0], parts[1:]
    if not rest:
        found.folders.add(directory)
        _watch(found, directory, part)
        _take_all(found, directory, part, pattern)
    elif _MAGIC.search(part):
        _watch(found, directory, part)
        for name in _names(directory, part):
            path = os.path.join(directory, name)
            if os.path.isdir(path):
                _walk(found, path, rest, pattern)
    elif os.path.isdir(os.path.join(directory, part)):
        _walk(found, os.path.join(directory, part), rest, pattern)
    else:
        _watch(found, directory, part)
        found.problem(pattern, f"the directory {os.path.join(directory, part)} is not there (yet)")


def _take_all(found: Found, directory: str, part: str, pattern: str) -> None:
    if not _MAGIC.search(part):
        _take(found, os.path.join(directory, part))
        return
    names = _names(directory, part)
    there = set(names)
    for name in names:
        copy = _COPY.search(name)
        if not (copy and copy.end() == len(name) and name[: copy.start()] in there):
            _take(found, os.path.join(directory, name))
    if not names:
        found.problem(pattern, "no file has such a name (yet)")


def _names(directory: str, part: str) -> list[str]:
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return sorted(
        name for name in names if fnmatch.fnmatchcase(name, part) and name.startswith(".") <= part.startswith(".")
    )


def _watch(found: Found, directory: str, part: str) -> None:
    if len(found.directories) >= MOST_DIRECTORIES:
        found.problem(directory, f"more than {MOST_DIRECTORIES} directories: not watched")
        return
    try:
        number = inotify.add(found.instance, directory, inotify.DIRECTORY_MASK)
    except OSError as error:
        found.problem(directory, f"cannot be watched: {error.strerror}")
        return
    found.directories.append((number, part))


def _take(found: Found, path: str, *, is_former: bool = False) -> None:
    """Open and watch one file, if it is one that the service writes."""
    try:
        status = os.lstat(path)
        reason = cutting.unfit(status)
        if not reason and len(found.files) >= MOST_FILES:
            reason = f"is one of more than {MOST_FILES} files: not watched"
        if not reason:
            fd = os.open(path, os.O_RDONLY | cutting.SAFE)
            reason = cutting.unfit(os.fstat(fd))
    except FileNotFoundError:
        found.problem(path, "is not there (yet)")
        return
    except OSError as error:
        found.problem(path, f"cannot be read: {error.strerror}")
        return
    if reason:
        found.problem(path, reason)
        return
    status = os.fstat(fd)
    try:
        # By descriptor: what stands under the name by now may be something else.
        number = inotify.add(found.instance, f"/proc/self/fd/{fd}", inotify.FILE_MASK)
    except OSError as error:
        found.problem(path, f"cannot be watched: {error.strerror}")
        os.close(fd)
        return
    key = status.st_dev, status.st_ino
    if key in found.files:
        os.close(fd)
        return
    size = status.st_size  # what is written from now on is judged, also before the logger has heard of the file
    record = {"path": path, "dev": key[0], "ino": key[1], "watch": number, "former": is_former, "size": size}
    found.files[key] = record, fd


def tell(link: socket.socket, found: Found) -> None:
    """Bounded messages; the last one has `last`."""
    files = list(found.files.values())
    problems = [[path[:500], text] for path, text in found.problems]
    batches = [files[at : at + FILES_PER_MESSAGE] for at in range(0, len(files), FILES_PER_MESSAGE)] or [[]]
    for number, batch in enumerate(batches):
        is_first, is_last = number == 0, number == len(batches) - 1
        message = {
            "do": "files",
            "files": [record for record, _ in batch],
            "directories": found.directories if is_first else [],
            "problems": problems if is_first else [],
            "first": is_first,
            "last": is_last,
        }
        _send(link, message, ([found.instance] if is_first else []) + [fd for _, fd in batch])


def _send(link: socket.socket, message: dict[str, Any], fds: list[int]) -> None:
    raw = json.dumps(message, separators=(",", ":")).encode()
    if len(raw) <= MAX_MESSAGE:
        with contextlib.suppress(OSError):  # the supervisor may have died; what was done stands in the record
            socket.send_fds(link, [raw], fds, socket.MSG_NOSIGNAL)


def main(options: dict[str, Any]) -> int:
    """options: `task` open (patterns, wanted, has_instance) or cut (see cutting.main)."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(DEADLINE_S if options["task"] == "open" else CUT_S)
    os.set_inheritable(LINK_FD, False)
    link = socket.socket(fileno=LINK_FD)
    if options["task"] == "open":
        instance = INSTANCE_FD if options["has_instance"] else inotify.make()
        wanted = [(device, inode) for device, inode in options["wanted"]]
        tell(link, open_files(options["patterns"], wanted, instance))
        return 0
    answer, fds = cutting.main(options, LINK_FD)
    _send(link, {"do": "cut", **answer}, fds)
    link.close()
    os.nice(19)
    cutting.pack(options)
    return 0
