"""A service's log as it lies on disk, all of it: read by what its index tells, which is checked on the way."""

from __future__ import annotations

import gzip

from support.site import Site

from amonsup.logbook import layout as layouts
from amonsup.logbook.layout import Layout


def whole(site: Site, service: str, *, is_stderr: bool = False, is_cut: bool = False) -> tuple[bytes, Layout]:
    """Everything that is there, oldest first. Asserts that it lies as the index says, and ends in whole lines.

    `is_cut`: something of it was dropped, so lines may have no end.
    """
    log = f"{service}.err.log" if is_stderr else f"{service}.log"
    found = layouts.layout(str(site.log_dir), log)
    assert not found.is_rebuilt
    parts = []
    end = found.start
    for segment in found.segments:
        with open(found.path(segment), "rb") as file:
            raw = file.read()
        if segment.file.is_packed:
            raw = gzip.decompress(raw)
        assert segment.start == end, f"{segment.file.name} lies right behind the one before"
        assert segment.end - segment.start == len(raw), segment.file.name
        assert is_cut or not raw or raw.endswith(b"\n"), f"{segment.file.name} ends on a whole line"
        end = segment.end
        parts.append(raw)
    return b"".join(parts), found


def lines(site: Site, service: str, *, is_stderr: bool = False) -> list[str]:
    return whole(site, service, is_stderr=is_stderr)[0].decode().splitlines()
