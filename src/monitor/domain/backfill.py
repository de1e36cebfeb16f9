"""Backfill of outages whose end is reported and whose beginning was never recorded. Pure.

While Postgres is away, an outage may begin and end: the report of its end replaces that of its
beginning, which may also be lost or arrive later. It was an outage nevertheless.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from monitor.domain.verdict import Flip, Verdict


class Recorded(Struct, frozen=True):
    """A region's recorded verdict about a website, by the check of ``slot_s``."""

    verdict: Verdict
    slot_s: int


def missing_down_flips(
    flips: Iterable[Flip],
    recorded: Mapping[tuple[str, UUID], Recorded],
    last_resolved_s: Mapping[UUID, int],
) -> list[Flip]:
    """The flips to down that these flips imply and that were never recorded.

    An outage that began before the end of its website's last incident belongs to that incident, or
    to a time when the website was paused.
    """
    return [
        _down_flip(flip)
        for flip in flips
        if flip.ended is not None
        and last_resolved_s.get(flip.website_id, 0) <= flip.ended.since_s < flip.at_s
        and _is_unrecorded(flip, recorded.get((flip.region, flip.website_id)))
    ]


def _is_unrecorded(flip: Flip, recorded: Recorded | None) -> bool:
    if recorded is None:
        return True
    return recorded.verdict is Verdict.UP and recorded.slot_s < flip.slot_s - 1


def _down_flip(flip: Flip) -> Flip:
    ended = flip.ended
    assert ended is not None
    return Flip(
        flip.website_id,
        flip.region,
        Verdict.DOWN,
        ended.since_s,
        flip.slot_s - 1,
        ended.reason,
        ended.status_code,
    )


def replay_rounds(flips: Sequence[Flip], backfilled: Sequence[Flip]) -> list[list[Flip]]:
    """All flips in rounds to replay one after the other: each website's in the order they happened.

    A reported flip to down replaces the backfilled one, as it has more detail.
    """
    reported = {(f.region, f.website_id, f.at_s) for f in flips if f.verdict is Verdict.DOWN}
    more = [b for b in backfilled if (b.region, b.website_id, b.at_s) not in reported]
    rounds: list[list[Flip]] = []
    count: Counter[UUID] = Counter()
    for flip in sorted([*flips, *more], key=lambda f: (f.at_s, f.slot_s)):
        if count[flip.website_id] == len(rounds):
            rounds.append([])
        rounds[count[flip.website_id]].append(flip)
        count[flip.website_id] += 1
    return rounds
