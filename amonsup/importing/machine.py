"""The machine that is imported from: its files, below a root that need not be this machine's.

Everything is bounded and only ever read. A path within a source (`/etc/default/ce`) means a path below the root.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from amonsup.config.errors import printable

MAX_BYTES = 1 << 20
MAX_NAMES = 10_000


class UnusableError(Exception):
    """A file or directory cannot be read as a source; the text says why, without its name."""


class Machine:
    """`root` is '' for this machine itself."""

    def __init__(self, root: str = "") -> None:
        self.root = "" if root in ("", "/") else os.path.abspath(root)

    def on_disk(self, path: str) -> str:
        """Where a path of the machine lies here."""
        return f"{self.root}{os.path.normpath('/' + path)}" if self.root else path

    def there(self, path: str) -> str:
        """A path of this machine as that machine calls it."""
        full = os.path.abspath(path)
        return full[len(self.root) :] or "/" if self.root and full.startswith(f"{self.root}/") else full

    def text(self, path: str) -> str:
        """A file of the machine; UnusableError."""
        return read_text(self.on_disk(path))

    def text_or_none(self, path: str) -> str | None:
        try:
            return self.text(path)
        except UnusableError:
            return None

    def exists(self, path: str) -> bool:
        return self._ask(os.path.lexists, path)

    def is_directory(self, path: str) -> bool:
        return self._ask(os.path.isdir, path)

    def is_file(self, path: str) -> bool:
        return self._ask(os.path.isfile, path)

    def names(self, path: str) -> list[str]:
        """What is in a directory, in order; nothing if there is none."""
        try:
            return sorted(os.listdir(self.on_disk(path)))[:MAX_NAMES]
        except (OSError, ValueError):
            return []

    def _ask(self, question: Callable[[str], bool], path: str) -> bool:
        try:
            return question(self.on_disk(path))
        except (OSError, ValueError):
            return False


def read_text(path: str) -> str:
    """A whole text file: regular, at most 1 MiB, UTF-8, no binary."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as wrong:
        raise UnusableError(reason(wrong)) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnusableError("is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as wrong:
        raise UnusableError(reason(wrong)) from None
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise UnusableError(f"is larger than {MAX_BYTES >> 20} MiB: that is no configuration of a service")
    if b"\0" in content:
        raise UnusableError("is a binary file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content[: wrong.start].count(b"\n") + 1
        raise UnusableError(f"is not UTF-8 text (line {line}); iconv converts it") from None


def reason(wrong: OSError | ValueError) -> str:
    if isinstance(wrong, FileNotFoundError):
        return "does not exist"
    if isinstance(wrong, OSError) and wrong.errno == errno.ELOOP:
        return "is a symbolic link that leads to itself"
    if isinstance(wrong, OSError) and wrong.strerror:
        return f"cannot be read: {wrong.strerror}"
    return "cannot be read: its name is not a file name"


def shown_path(path: str) -> str:
    return printable(path)
