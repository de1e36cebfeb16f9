"""Outages whose end is reported and whose beginning was never recorded. Pure.

While Postgres is away an outage may begin and end: the report of its end takes the place of that of
its beginning, which may also be given up, or come later. It was an outage all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from monitor.domain.verdict import Flip, Verdict


class Recorded(Struct, frozen=True):
    """The verdict of one region about one website that is recorded, by the check of ``slot_s``."""

    verdict: Verdict
    slot_s: int


def missed_beginnings(
    flips: Iterable[Flip],
    recorded: Mapping[tuple[str, UUID], Recorded],
    last_resolved_s: Mapping[UUID, int],
) -> list[Flip]:
    """The beginnings that these flips tell of and that were not recorded, as flips.

    Outages from before the last incident of their website ended belong to it or to a time in which
    it was paused.
    """
    return [
        _beginning(flip)
        for flip in flips
        if flip.ended is not None
        and last_resolved_s.get(flip.website_id, 0) <= flip.ended.since_s < flip.at_s
        and _is_news(flip, recorded.get((flip.region, flip.website_id)))
    ]


def _is_news(flip: Flip, held: Recorded | None) -> bool:
    return held is None or (held.verdict is Verdict.UP and held.slot_s < flip.slot_s - 1)


def _beginning(flip: Flip) -> Flip:
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


def in_turn(flips: Sequence[Flip], missed: Sequence[Flip]) -> list[list[Flip]]:
    """The flips and the beginnings that were missed, of each website one after the other as it was.

    A beginning that is among the flips is known in more detail there.
    """
    told = {(f.region, f.website_id, f.at_s) for f in flips if f.verdict is Verdict.DOWN}
    more = [m for m in missed if (m.region, m.website_id, m.at_s) not in told]
    rounds: list[list[Flip]] = []
    seen: Counter[UUID] = Counter()
    for flip in sorted([*flips, *more], key=lambda f: (f.at_s, f.slot_s)):
        if seen[flip.website_id] == len(rounds):
            rounds.append([])
        rounds[seen[flip.website_id]].append(flip)
        seen[flip.website_id] += 1
    return rounds
