"""Rings, arcs and slots: when each website is due, without ever counting websites.

A ring holds a region's websites of one interval, ordered by a 32-bit hash of their id. The
position says when in the interval a website is due: position / 2**32 of the way through.
So adding websites moves nobody, and the work of a minute is a few arcs whatever their size.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

POSITIONS = 2**32
MINUTE_S = 60
"""So much is given out at a time."""

_REMEMBERED_S = 24 * 3600


class Ring(Struct, frozen=True, order=True):
    region: str
    interval_s: int


class Arc(Struct, frozen=True):
    """Positions lo <= p < hi of a ring, due at ``slot_ms`` (Unix, milliseconds)."""

    lo: int
    hi: int
    slot_ms: int


def arcs_of_window(interval_s: int, start_s: int, end_s: int) -> Iterator[Arc]:
    """The arcs that fall due in [start_s, end_s), one per cycle of the interval touched.

    Consecutive windows give arcs that neither overlap nor leave out a position.
    """
    cycle = start_s // interval_s
    while cycle * interval_s < end_s:
        begin = max(start_s - cycle * interval_s, 0)
        end = min(end_s - cycle * interval_s, interval_s)
        lo, hi = begin * POSITIONS // interval_s, end * POSITIONS // interval_s
        yield Arc(lo, hi, (cycle * interval_s + begin) * 1000)
        cycle += 1


def batches_of_arc(arc: Arc, interval_s: int, websites: int, batch_size: int) -> list[Arc]:
    """Cut an arc that holds this many websites into equal ones of about batch_size each.

    Each part is due when its first position is, so the parts are spread evenly in time.
    """
    if websites == 0:
        return []
    parts = -(-websites // batch_size)
    width = arc.hi - arc.lo
    edges = [arc.lo + width * i // parts for i in range(parts + 1)]
    return [
        Arc(lo, hi, arc.slot_ms + (lo - arc.lo) * interval_s * 1000 // POSITIONS)
        for lo, hi in pairwise(edges)
    ]


def slots_of_position(position: int, interval_s: int, start_s: int, end_s: int) -> list[int]:
    """The Unix seconds in [start_s, end_s) at which a website at this position is due."""
    offset = position * interval_s // POSITIONS
    first = start_s - (start_s - offset) % interval_s
    return [s for s in range(first, end_s, interval_s) if s >= start_s]


def left_out(last_s: int | None, minute_s: int) -> tuple[int, int]:
    """The time [start, end) that nobody gave out before the minute at ``minute_s``.

    ``last_s``: the last minute that was given out; None where none is known. At most a day is
    told of. Empty as well where the clock was ahead when that minute was noted.
    """
    if last_s is None or last_s >= minute_s:
        return minute_s, minute_s
    return max(last_s + MINUTE_S, minute_s - _REMEMBERED_S), minute_s


_ROOM_FOR_SINGLE_CHECKS = 2_000


def most_waiting(batches_a_minute: int) -> int:
    """How many messages may wait for a region that gets so many batches a minute.

    Ten minutes' worth: more is a region without workers, or with too few, and what is added would
    only be dropped for its age. Never fewer than 2,000: a website that is added by itself leaves
    two or three messages until the minute's batches know of it, and some hundreds of those are no
    sign of anything.
    """
    return max(10 * batches_a_minute, _ROOM_FOR_SINGLE_CHECKS)
