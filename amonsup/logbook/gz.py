"""Packed files (RFC 1952), written and read in blocks, with their size however large they are.

A gzip file ends with the size of its content modulo 2**32. That is all there is to tell how much of a log a packed
file covers without unpacking it, and of more than 4 GiB it tells too little. So what is that large is packed with its
size in the header as well, in an extra field that everybody else passes over (RFC 1952, 2.3.1.1). Of a large file that
somebody else has packed, the smallest size is taken that could have become so long a file.
"""

from __future__ import annotations

import os
import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ISIZE = 1 << 32
LEVEL = 6
MOST_GROWN, MOST_AROUND = 1000, 4096
"""What cannot be compressed grows, by less than a part in so many; and what stands around it (a name), in bytes."""

_BLOCK = 256 * 1024
_GZIP = 31  # zlib's window bits for a gzip header and trailer
_PLAIN = struct.Struct("<4sLBB")
_SIZED = struct.Struct("<4sLBBH2sHQ")
_MAGIC = b"\x1f\x8b\x08"
_EXTRA, _UNIX = 4, 3
_NAME = b"AS"


def packed(blocks: Iterable[bytes], size: int, modified: int = 0) -> Iterator[bytes]:
    """A gzip file with this content. `size` is all of it in bytes, as far as known beforehand."""
    yield _header(size, modified)
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum = length = 0
    for block in blocks:
        checksum = zlib.crc32(block, checksum)
        length += len(block)
        yield packer.compress(block)
    yield packer.flush() + struct.pack("<LL", checksum, length % ISIZE)


def _header(size: int, modified: int) -> bytes:
    modified %= ISIZE
    if size < ISIZE:
        return _PLAIN.pack(_MAGIC + b"\0", modified, 0, _UNIX)
    return _SIZED.pack(_MAGIC + bytes([_EXTRA]), modified, 0, _UNIX, 12, _NAME, 8, size)


def unpacked_size(fd: int) -> int:
    """How much a gzip file holds; 0 for what is too short to be one."""
    length = os.fstat(fd).st_size
    if length < 18:
        return 0
    size = int.from_bytes(os.pread(fd, 4, length - 4), "little")
    told = _told_size(os.pread(fd, _SIZED.size, 0))
    if told % ISIZE == size and told:
        return told
    least = length - length // MOST_GROWN - MOST_AROUND
    return size if size >= least else size + -(-(least - size) // ISIZE) * ISIZE


def _told_size(raw: bytes) -> int:
    if len(raw) < _SIZED.size:
        return 0
    begin, _, _, _, length, name, room, size = _SIZED.unpack(raw)
    is_ours = begin == _MAGIC + bytes([_EXTRA]) and (length, name, room) == (12, _NAME, 8)
    return int(size) if is_ours else 0


def unpack(fd: int) -> Iterator[bytes]:
    """The content of a gzip file of any number of members, in blocks. Raises zlib.error, EOFError."""
    at = 0
    unpacker = zlib.decompressobj(_GZIP)
    raw = os.pread(fd, _BLOCK, at)
    while raw:
        at += len(raw)
        while raw:
            data = unpacker.decompress(raw, _BLOCK)
            if data:
                yield data
            if unpacker.eof:
                raw = unpacker.unused_data.lstrip(b"\0")  # padding is allowed behind a member
                unpacker = zlib.decompressobj(_GZIP) if raw else unpacker
                if not raw:
                    break
            else:
                raw = unpacker.unconsumed_tail
        raw = os.pread(fd, _BLOCK, at)
        if raw and unpacker.eof:
            raw = raw.lstrip(b"\0") or b""
            if raw:
                unpacker = zlib.decompressobj(_GZIP)
    if not unpacker.eof:
        raise EOFError("its end is missing")
