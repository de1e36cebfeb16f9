"""What a system says happened, and whether that is what a script says. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from support.truth import INTERVAL_S, LAG_S, RECHECK_S, SPAN_S, Outage, Truth


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
    doubled_mails: int = 0
    extra: list[SeenTick] = field(default_factory=list)

    @property
    def extra_ticks(self) -> int:
        return len(self.extra)

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
        + (f": {found.extra[:10]}" if name == "extra_ticks" else "")
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
        elif truth.judged(tick.slot_s - RECHECK_S):  # whether what led to it counts
            found.extra.append(tick)
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
