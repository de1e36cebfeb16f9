"""Made-up ticks, and what they add up to by the plainest reading of the contract."""

import random
import time
from fractions import Fraction

import pytest
from msgspec import structs

from monitor.domain.outcome import Reason, Timings
from monitor.domain.rollup import buckets
from monitor.domain.series import HOUR_S, Bucket
from support.factories import SHOP, tick

HOUR = int(time.time()) // 3600 * 3600 - 2 * 3600
"""An hour that is over, and within any retention."""


def up(slot_s, response_ms=12.5, *, website=SHOP, region="europe"):
    parts = (0.05, 0.1, 0.2, 0.6, 0.05)
    phases = Timings(*(part * response_ms for part in parts))
    return tick(slot_s, response_ms, website=website, region=region, timings=phases)


def refused(slot_s, *, website=SHOP, region="europe"):
    """Down, and nothing answered."""
    refusal = {"reason": Reason.CONNECTION_REFUSED, "timings": Timings(dns_ms=0.5)}
    return tick(slot_s, None, website=website, region=region, **refusal)


def answered_503(slot_s, response_ms, *, website=SHOP, region="europe"):
    answer = {"reason": Reason.HTTP_STATUS, "timings": Timings(wait_ms=response_ms)}
    return tick(slot_s, response_ms, website=website, region=region, **answer)


def assorted(seed, slots, *, website=SHOP, region="europe"):
    """One tick of some kind for each of these slots, one of seven out of turn."""
    chance = random.Random(seed)
    ticks = []
    for slot_s in slots:
        response_ms = chance.randrange(1, 4_000_000) / 1000
        kind = chance.choice(("up", "up", "up", "503", "refused"))
        if kind == "up":
            ticks.append(up(slot_s, response_ms, website=website, region=region))
        elif kind == "503":
            ticks.append(answered_503(slot_s, response_ms, website=website, region=region))
        else:
            ticks.append(refused(slot_s, website=website, region=region))
        if chance.randrange(7) == 0:
            ticks[-1] = structs.replace(ticks[-1], out_of_turn=True)
    return ticks


def reference(ticks, width_s):
    """The buckets these ticks of one website make."""
    groups = {}
    for t in ticks:
        groups.setdefault((t.region, t.slot_s // width_s * width_s), []).append(t)
    return [_bucket(region, start_s, group) for (region, start_s), group in sorted(groups.items())]


def _bucket(region, start_s, ticks):
    answers = sorted(t.response_ms for t in ticks if t.response_ms is not None)
    n = len(answers)
    rank = int(Fraction(95, 100) * n + Fraction(1, 2))
    return Bucket(
        region=region,
        start_s=start_s,
        checks=len(ticks),
        up=len([t for t in ticks if t.up]),
        measured=n,
        mean_ms=sum(answers) / n if n else None,
        p95_ms=answers[rank - 1] if n else None,
        max_ms=answers[-1] if n else None,
        out_of_turn=len([t for t in ticks if t.out_of_turn]),
    )


def kept(ms):
    """Equal to a duration as stores keep it: to the microsecond or to seven digits."""
    return None if ms is None else pytest.approx(ms, rel=1.2e-7, abs=0.00051)


def as_kept(bucket):
    """A bucket to compare a store's with; a mean of roll-ups is rounded twice."""
    return (*_counts(bucket), kept(bucket.mean_ms), kept(bucket.p95_ms), kept(bucket.max_ms))


def as_rolled_up(bucket):
    """The same of a roll-up, whose percentile comes from its histogram."""
    p95_ms = None if bucket.p95_ms is None else pytest.approx(bucket.p95_ms, rel=0.011)
    return (*_counts(bucket), kept(bucket.mean_ms), p95_ms, kept(bucket.max_ms))


async def hourly_buckets(store, website, region, since_s, until_s):
    """The hours of a website as a chart shows them."""
    hours = await store.hourly([website], region, since_s, until_s)
    return buckets(hours.get(website, ()), HOUR_S)


def plain(bucket):
    return (*_counts(bucket), bucket.mean_ms, bucket.p95_ms, bucket.max_ms)


def _counts(bucket):
    measured = bucket.measured, bucket.out_of_turn
    return (bucket.region, bucket.start_s, bucket.checks, bucket.up, *measured)


def minutes(count, start_s=HOUR):
    """The seconds of so many minutes."""
    return range(start_s, start_s + 60 * count, 60)
