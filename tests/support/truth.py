"""A scripted truth, what a system says happened, and a judge of the two. Pure.

All times are Unix seconds, but those of a script, which count from when it begins.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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
class Incident:
    website: int
    started_s: float
    resolved_s: float | None


@dataclass(frozen=True)
class SentMail:
    """``event``: opened or resolved. Copies of one mail have the same ``message_id``."""

    website: int
    event: str
    recipient: str
    message_id: str


@dataclass(frozen=True)
class SeenTick:
    website: int
    region: str
    slot_s: int
    up: bool


@dataclass
class Record:
    """What a system says happened. ``statuses``: {website: the word of GET /monitor}."""

    incidents: list[Incident] = field(default_factory=list)
    mails: list[SentMail] = field(default_factory=list)
    ticks: list[SeenTick] = field(default_factory=list)
    statuses: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Truth:
    """A script that began at ``begin_s``, and when each website is due.

    ``due_s``: how far into each interval a website's turn is; ticks are judged that were due in
    [begin_s, until_s).
    """

    script: Script
    begin_s: float
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
        return self.begin_s + SPAN_S <= at_s < self.until_s - SPAN_S

    def down(self, website: int, at_s: float) -> bool:
        return self.script.down(website, at_s - self.begin_s)


@dataclass(frozen=True)
class Allowance:
    """What a case may cost, as numbers; nothing unless it says so.

    ``late_s``: so much later a check may be made, and what follows from it come.
    ``lost_ticks``: slots without one; ``extra_ticks``: ticks that no slot and no re-check explains;
    ``doubled_mails``: copies of mails.
    """

    late_s: float = 0.0
    lost_ticks: int = 0
    extra_ticks: int = 0
    doubled_mails: int = 0


@dataclass
class Judgement:
    """What is wrong, in sentences; and what there was of that which can be allowed."""

    complaints: list[str] = field(default_factory=list)
    lost_ticks: int = 0
    extra_ticks: int = 0
    doubled_mails: int = 0

    @property
    def numbers(self) -> dict[str, int]:
        return {n: getattr(self, n) for n in ("lost_ticks", "extra_ticks", "doubled_mails")}


def judge(truth: Truth, record: Record, allow: Allowance | None = None) -> Judgement:
    """Compare what a system says with what was."""
    allow = allow or Allowance()
    found = Judgement()
    found.complaints += _of_incidents(truth, record.incidents, allow)
    found.complaints += _of_statuses(truth, record.statuses)
    _judge_mails(truth, record.mails, found)
    _judge_ticks(truth, record.ticks, allow, found)
    found.complaints += [
        f"{count} {name.replace('_', ' ')}, and {getattr(allow, name)} are allowed"
        for name, count in found.numbers.items()
        if count > getattr(allow, name)
    ]
    return found


def _of_incidents(truth: Truth, incidents: Iterable[Incident], allow: Allowance) -> list[str]:
    left: dict[int, list[Incident]] = {}
    for incident in sorted(incidents, key=lambda i: i.started_s):
        left.setdefault(incident.website, []).append(incident)
    complaints = []
    for website in range(truth.script.websites):
        told = left.pop(website, [])
        for outage in truth.script.incidents(website):
            if not told:
                complaints.append(f"website {website}: no incident for {outage}")
            else:
                complaints += _of_times(truth, outage, told.pop(0), allow)
        complaints += [f"website {website}: {i} is one too many" for i in told]
    return complaints + [f"{i}: there is no such website" for rest in left.values() for i in rest]


def _of_times(truth: Truth, outage: Outage, told: Incident, allow: Allowance) -> list[str]:
    ends = outage.until_s, told.resolved_s
    wrong = [] if _near(truth, outage.from_s, told.started_s, allow) else ["start"]
    if None in ends:
        wrong += [] if ends == (None, None) else ["end"]
    elif not _near(truth, *ends, allow):
        wrong.append("end")
    relative = f"{told.started_s - truth.begin_s:g} to " + (
        "now" if told.resolved_s is None else f"{told.resolved_s - truth.begin_s:g}"
    )
    return [f"website {told.website}: wrong {what} ({relative}) of {outage}" for what in wrong]


def _near(truth: Truth, scripted_s: float, told_s: float, allow: Allowance) -> bool:
    """Within one interval; a check that is made late tells of its slot what came after it."""
    off_s = told_s - truth.begin_s - scripted_s
    return -LAG_S - allow.late_s <= off_s <= INTERVAL_S + LAG_S + allow.late_s


def _of_statuses(truth: Truth, statuses: Mapping[int, str]) -> list[str]:
    end_s = truth.script.end_s
    expected = {
        w: "down" if truth.script.down(w, end_s) else "up" for w in range(truth.script.websites)
    }
    return [
        f"website {w}: its status is {statuses.get(w)}, and it is {status}"
        for w, status in expected.items()
        if statuses.get(w) != status
    ]


def _judge_mails(truth: Truth, mails: Iterable[SentMail], found: Judgement) -> None:
    copies = Counter(mails)
    sent = Counter((m.website, m.event, m.recipient) for m in copies)
    due: Counter[tuple[int, str, str]] = Counter()
    for website in range(truth.script.websites):
        for outage in truth.script.incidents(website):
            for recipient in truth.script.recipients(website):
                due[website, "opened", recipient] += 1
                due[website, "resolved", recipient] += outage.until_s is not None
    found.complaints += [f"no mail to tell of {what}" for what in (due - sent).elements()]
    found.complaints += [f"a mail too many about {what}" for what in (sent - due).elements()]
    found.doubled_mails += sum(copies.values()) - len(copies)


def _judge_ticks(
    truth: Truth, ticks: Iterable[SeenTick], allow: Allowance, found: Judgement
) -> None:
    by_series: dict[tuple[int, str], list[SeenTick]] = {}
    for tick in sorted(ticks, key=lambda t: t.slot_s):
        by_series.setdefault((tick.website, tick.region), []).append(tick)
    for website in range(truth.script.websites):
        for region in truth.regions:
            series = by_series.pop((website, region), [])
            _judge_series(truth, website, series, allow, found)
    for (website, region), rest in by_series.items():
        found.complaints.append(f"{len(rest)} ticks of website {website} in {region}: not checked")


def _judge_series(
    truth: Truth, website: int, series: list[SeenTick], allow: Allowance, found: Judgement
) -> None:
    slots = list(truth.slots(website))
    owed_s: float | None = None  # the first failure of a row, until its re-check was seen
    failing = False
    for tick in series:
        own = next((s for s in slots if s - SPAN_S <= tick.slot_s < s + 1), None)
        if own is not None:
            slots.remove(own)
        elif owed_s is not None and tick.slot_s - owed_s >= RECHECK_S:
            owed_s = None
        elif truth.judged(tick.slot_s):
            found.extra_ticks += 1
        if not tick.up and not failing:
            owed_s = tick.slot_s
        failing = not tick.up
        if _is_wrong(truth, tick, allow):
            found.complaints.append(f"website {website}: {tick} is not what was")
    found.lost_ticks += sum(truth.judged(at_s) for at_s in slots)


def _is_wrong(truth: Truth, tick: SeenTick, allow: Allowance) -> bool:
    """Whether the website was never as the tick says in all the time it may have been asked."""
    last_s = tick.slot_s + LAG_S + allow.late_s
    edges = [truth.begin_s + e for e in truth.script.edges(tick.website)]
    looked_at = [tick.slot_s, last_s, *edges]
    asked = [at_s for at_s in looked_at if tick.slot_s <= at_s <= last_s]
    return all(truth.down(tick.website, at_s) == tick.up for at_s in asked)
