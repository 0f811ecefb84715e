"""Control groups as they are mounted: which version offers which controller, and where our own group is (cgroups(7)).

A machine has one hierarchy of version 2, or one of version 1 for each controller, or (hybrid) both: then a controller
belongs to version 1, and version 2 only holds processes together. Whoever asks wants a directory, so this answers in
directories; a container may see only a part of a hierarchy, which `root` of a mount accounts for.
"""

from __future__ import annotations

import os

OURS = "_daemon"
"""The leaf that our own processes move to: no name of a service begins so."""


def own_directory() -> str | None:
    """Our cgroup of version 2; None if there is no such hierarchy, or we cannot see our place in it."""
    return _directory(_mounts().get(""), "")


def own_directory_v1(controller: str) -> str | None:
    """Our cgroup in the hierarchy of version 1 that has this controller, if one has it."""
    return _directory(_mounts().get(controller), controller)


def controllers(directory: str) -> set[str]:
    """Which controllers a cgroup of version 2 offers."""
    return set(_read(os.path.join(directory, "cgroup.controllers")).split())


def above_us(directory: str) -> str:
    """The cgroup that holds all of ours, from where we are now."""
    head, tail = os.path.split(directory)
    if tail == OURS and os.path.basename(head).startswith("amonsup-"):
        return os.path.dirname(head)
    return directory


def make(directory: str) -> None:
    """A cgroup that a service may look into (to learn its own limits), whatever our umask is. Raises OSError."""
    if not os.path.isdir(directory):
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o755)


def _mounts() -> dict[str, tuple[str, str]]:
    """Mount point and root (proc_pid_mountinfo(5)) by controller; version 2 under ''. The last mount wins."""
    found: dict[str, tuple[str, str]] = {}
    for line in _read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, rest = after.partition(" ")
        if not kind.startswith("cgroup"):
            continue
        root, point = (_unescaped(word) for word in before.split()[3:5])
        for key in ("",) if kind == "cgroup2" else rest.split()[-1].split(","):
            found[key] = (point, root)
    return found


def _directory(mount: tuple[str, str] | None, controller: str) -> str | None:
    if mount is None:
        return None
    point, root = mount
    for line in _read("/proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            path = os.fsdecode(path.encode("latin-1"))
            inside = os.path.relpath(path, root) if root != "/" else path.lstrip("/")
            found = os.path.normpath(os.path.join(point, inside))
            return found if not inside.startswith("..") and os.path.isdir(found) else None
    return None


def _unescaped(word: str) -> str:
    """Blanks and the like are octal in there."""
    return os.fsdecode(word.encode("latin-1").decode("unicode_escape").encode("latin-1"))


def _read(path: str) -> str:
    try:
        with open(path, encoding="latin-1", newline="\n") as file:
            return file.read(1 << 20)
    except OSError:
        return ""
