"""Rings, arcs and slots: when each website is due, without counting websites.

A ring holds a region's websites of one interval, ordered by a 32-bit hash of their id. The
position decides when in the interval a website is due: position / 2**32 of the way through.
So a new website moves no other, and a minute's work is a few arcs, whatever their size.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

POSITIONS = 2**32
MINUTE_S = 60
"""Batches are dispatched a minute at a time."""

_MAX_MISSED_S = 24 * 3600


class Ring(Struct, frozen=True, order=True):
    region: str
    interval_s: int


class Arc(Struct, frozen=True):
    """Positions lo <= p < hi of a ring, due at ``slot_ms`` (Unix, milliseconds)."""

    lo: int
    hi: int
    slot_ms: int


def arcs_of_window(interval_s: int, start_s: int, end_s: int) -> Iterator[Arc]:
    """The arcs due in [start_s, end_s), one for each cycle of the interval that it touches.

    Consecutive windows give arcs without overlaps or gaps.
    """
    cycle = start_s // interval_s
    while cycle * interval_s < end_s:
        begin = max(start_s - cycle * interval_s, 0)
        end = min(end_s - cycle * interval_s, interval_s)
        lo, hi = begin * POSITIONS // interval_s, end * POSITIONS // interval_s
        yield Arc(lo, hi, (cycle * interval_s + begin) * 1000)
        cycle += 1


def batches_of_arc(arc: Arc, interval_s: int, websites: int, batch_size: int) -> list[Arc]:
    """Split an arc with this many websites into equal parts of about batch_size each.

    A part is due with its first position, so the parts are spread evenly in time.
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


def turn_of(slot_s: int, interval_s: int) -> int:
    """The turn of a website's slot: the first second at which a batch with it may be due.

    That is where the minute of the slot begins, or its interval if that is later. A minute's batch
    is split by how many websites there are, so its tick carries a second from the turn to the slot;
    any of them gives the same turn.
    """
    return max(slot_s - slot_s % MINUTE_S, slot_s - slot_s % interval_s)


def turns_before(position: int, interval_s: int, at_s: int) -> int:
    """How many turns a website at this position has from the epoch to just before ``at_s``."""
    intervals = at_s // interval_s
    slot_s = intervals * interval_s + position * interval_s // POSITIONS
    return intervals + (turn_of(slot_s, interval_s) < at_s)


def missed_window(last_s: int | None, minute_s: int) -> tuple[int, int]:
    """The time [start, end) before the minute at ``minute_s`` that was never dispatched.

    ``last_s``: the last dispatched minute; None where none is known. At most a day. Empty also
    where the clock was ahead when that minute was recorded.
    """
    if last_s is None or last_s >= minute_s:
        return minute_s, minute_s
    return max(last_s + MINUTE_S, minute_s - _MAX_MISSED_S), minute_s


_ROOM_FOR_SINGLE_CHECKS = 2_000


def max_backlog(batches_a_minute: int) -> int:
    """How many messages may wait for a region that gets this many batches a minute.

    Ten minutes' worth: with more, the region has too few workers or none, and new batches would
    only be dropped for their age. At least 2,000: each new website adds two or three messages of
    its own until the next minute's batches include it, and a few hundred of those mean nothing.
    """
    return max(10 * batches_a_minute, _ROOM_FOR_SINGLE_CHECKS)
