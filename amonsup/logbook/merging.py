"""Several logs as one, by when lines were captured.

Each log's items come in its own order, whatever its clock did; between logs the earlier moment goes first. A log that
searches for long without a find says how far in time it has come (`Scanned`), so that others need not wait for it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from amonsup.logbook.pieces import Item, Piece, Scanned


def merged(streams: list[Iterator[Item]]) -> Iterator[Item]:
    """The items of all streams; progress is added up."""
    if len(streams) == 1:
        yield from streams[0]
        return
    done, total = [0] * len(streams), [0] * len(streams)
    # (moment, number of the stream, its next item)
    waiting: list[tuple[float, int, Item]] = []
    latest = [0.0] * len(streams)

    def advance(number: int) -> None:
        item = next(streams[number], None)
        if item is None:
            return
        if isinstance(item, Piece | Scanned):
            latest[number] = max(latest[number], item.at)  # a clock that went back does not reorder a log
        heapq.heappush(waiting, (latest[number], number, item))

    for number in range(len(streams)):
        advance(number)
    while waiting:
        _, number, item = heapq.heappop(waiting)
        if isinstance(item, Scanned):
            done[number], total[number] = item.done, item.total
            yield Scanned(item.log, item.position, item.at, sum(done), sum(total))
        else:
            yield item
        advance(number)
