"""InfluxDB refuses, finds writes too large, stores in part, is slow, silent, and away."""

import pytest

from support import influx_front
from support.influx import need_influxd
from support.judge import Allowance, SeenTick
from support.truth import scripted


@pytest.fixture
def front():
    need_influxd()
    with influx_front.influx_front() as front:
        yield front


def _ticks_of(lines, number_of):
    """What these lines tell, to ``support.judge``."""
    for line in lines:
        tags, fields, slot_s = line.split()
        told = dict(pair.split("=") for pair in [*tags.split(",")[1:], *fields.split(",")])
        website = number_of.get(told["website_id"])
        if website is not None:
            yield SeenTick(website, told["region"], int(slot_s), told["up"] == "1i")


def test_influxdb_failing_in_every_way_loses_only_refused_ticks(faulty, front):
    def of(_postgres, _redis, influx):
        front.target = influx.url
        names = ("api", "central-1", "central-2", "europe-1", "europe-2")
        return {name: {"INFLUXDB_URL": front.url} for name in names}

    script = scripted(51, blind_s=10)
    with faulty(script, of=of, with_a_minute=True) as system:
        # when
        for at_s, how in (
            (2, influx_front.busy),
            (16, influx_front.too_large),
            (30, influx_front.partial),
            (40, influx_front.slow),
            (55, influx_front.silent),
        ):
            system.at(at_s)
            front.spoil = how
        # and it is away, and a worker that kept ticks ends
        system.at(80)
        front.spoil = None
        system.influx.kill()
        system.at(90)
        system.processes.stop("europe-1", within_s=30)
        system.processes.start("europe-1")
        system.at(100)
        system.influx.start()
        # then
        system.refused = lambda: _ticks_of(front.dropped, system.number_of)
        found = system.compare(Allowance(late_s=5))
        assert front.dropped
        assert set(front.spoilt) == {"busy", "too_large", "partial", "slow", "silent"}
        print(front.spoilt, len(front.dropped), found.numbers)  # noqa: T201 - what the fault did cost
