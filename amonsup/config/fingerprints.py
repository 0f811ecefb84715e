"""A fingerprint of conf.d: cheap enough for the supervisor to compare whenever somebody asks for status.

It covers the names and the bytes of the files that would be read, in their order, so that a touched but
unchanged file is no difference. Nothing is parsed and YAML is not imported.
"""

from __future__ import annotations

import os

from amonsup.config import files

try:
    from _blake2 import blake2b  # hashlib would load OpenSSL with it: 3 MB in a process that must stay small
except ImportError:
    from hashlib import blake2b


def fingerprint(conf_d: str) -> str:
    """A digest of the names and contents of conf.d's files, '' if it cannot be read; nothing is parsed."""
    contents: dict[str, bytes] = {}
    try:
        for name in files.listing(conf_d, is_trusting=True):
            if files.is_conf_name(name):
                contents[name] = _bytes(os.path.join(conf_d, name))
    except files.UnreadableError:
        return ""
    return digest(contents)


def of_file(path: str) -> str:
    """A digest of one file's content."""
    return digest({os.path.basename(path): _bytes(path)})


def _bytes(path: str) -> bytes:
    try:
        return files.read(path, is_trusting=True)
    except files.UnreadableError:
        return b"\0unreadable"  # no file that was ever loaded has a NUL


def digest(contents: dict[str, bytes]) -> str:
    """The fingerprint of files whose contents are at hand, by name."""
    hashed = blake2b(digest_size=16)
    for name, content in contents.items():
        label = os.fsencode(name)
        hashed.update(b"%d %d %s\0" % (len(label), len(content), label))
        hashed.update(content)
    return hashed.hexdigest()
