"""A scripted truth: which website is down from when to when. Pure.

All times are Unix seconds, but those of a script, which count from when it begins.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

INTERVAL_S = 30
RECHECK_S = 15
LAG_S = 8
"""So much later than its slot a check may be made, and so much later still be told."""
SPAN_S = 5
"""A batch carries the time of its first website: the others' own seconds come up to so much later.
For batches of at most an eighth of the websites."""
BLIP_S = 5
"""Shorter than what lies between a failure and its confirmation: no incident."""
OUTAGE_S = INTERVAL_S + RECHECK_S + 2 * LAG_S
"""Long enough to be found and confirmed for sure."""
OPERATORS = ("ops@example.com",)


@dataclass(frozen=True)
class Outage:
    """A website is down in [from_s, until_s); for ever where that is None."""

    website: int
    from_s: float
    until_s: float | None

    def covers(self, at_s: float) -> bool:
        return self.from_s <= at_s and (self.until_s is None or at_s < self.until_s)

    @property
    def is_blip(self) -> bool:
        return self.until_s is not None and self.until_s - self.from_s < RECHECK_S


@dataclass(frozen=True)
class Script:
    """Which of the websites 0, 1, ... is down from when to when."""

    websites: int
    outages: tuple[Outage, ...]

    @property
    def end_s(self) -> float:
        """When the last change can be known everywhere."""
        down = (o.from_s + RECHECK_S for o in self.outages)
        up = (o.until_s for o in self.outages if o.until_s is not None)
        return max([0.0, *down, *up]) + INTERVAL_S + LAG_S

    def down(self, website: int, at_s: float) -> bool:
        return any(o.covers(at_s) for o in self._of.get(website, ()))

    def incidents(self, website: int) -> list[Outage]:
        """The outages of a website that are to be told, in order."""
        told = (o for o in self._of.get(website, ()) if not o.is_blip)
        return sorted(told, key=lambda o: o.from_s)

    def recipients(self, website: int) -> tuple[str, ...]:
        """Whom to tell: two owners of every tenth website, the operators of the others."""
        if website % 10:
            return OPERATORS
        return (f"owner-{website}@example.com", f"deputy-{website}@example.com")

    @cached_property
    def _of(self) -> dict[int, list[Outage]]:
        by_website: dict[int, list[Outage]] = {}
        for outage in self.outages:
            by_website.setdefault(outage.website, []).append(outage)
        return by_website

    def edges(self, website: int) -> list[float]:
        """When a website changes."""
        changes = [e for o in self._of.get(website, ()) for e in (o.from_s, o.until_s)]
        return [e for e in changes if e is not None]


def scripted(seed: int, *, websites: int = 300, blind_s: float = 0.0) -> Script:
    """A fifth of the websites have an outage, some more a blip, and four are always the same.

    ``blind_s``: for so long at a time the case lets nothing be measured; outages last that much
    longer.
    """
    chance = random.Random(seed)
    shortest_s = OUTAGE_S + blind_s
    outages = [
        Outage(0, 0.0, shortest_s + 5),  # down when the script begins
        Outage(1, 10.0, None),  # and never back
        Outage(2, 12.0, 12.0 + BLIP_S),
        # website 3 is never down
        Outage(10, 5.0, shortest_s + 9),  # told to two
    ]
    for website in (w for w in range(4, websites) if w != 10):
        kind, from_s = chance.random(), chance.uniform(0, 15)
        if kind < 0.2:
            outages.append(Outage(website, from_s, from_s + shortest_s + chance.uniform(0, 6)))
        elif kind < 0.3:
            at_s = chance.uniform(0, shortest_s)
            outages.append(Outage(website, at_s, at_s + BLIP_S))
    return Script(websites, tuple(outages))


@dataclass(frozen=True)
class Truth:
    """A script that began at ``begin_s``, and when each website is due.

    ``due_s``: how far into each interval a website's turn is; ticks are judged that were due in
    [judged_from_s, until_s).
    """

    script: Script
    begin_s: float
    judged_from_s: float
    until_s: float
    regions: tuple[str, ...]
    due_s: Mapping[int, float]

    def slots(self, website: int) -> Iterator[float]:
        """When a check of a website was due, in its own second; one before and one after, too."""
        at_s = (self.begin_s // INTERVAL_S - 1) * INTERVAL_S + self.due_s[website]
        while at_s < self.until_s + INTERVAL_S:
            yield at_s
            at_s += INTERVAL_S

    def judged(self, at_s: float) -> bool:
        """Whether a slot counts. One at the edge may be of a batch on the other side of it."""
        return self.judged_from_s + SPAN_S <= at_s < self.until_s - SPAN_S

    def down(self, website: int, at_s: float) -> bool:
        return self.script.down(website, at_s - self.begin_s)
