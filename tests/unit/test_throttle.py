"""A roll-up leaves the machine to others, until it is late."""

from __future__ import annotations

from uuid import UUID

import pytest

from monitor.storage.timeseries.influxdb import LINES_PER_WRITE, InfluxTicks
from monitor.storage.timeseries.influxql import Series
from monitor.storage.timeseries.throttle import PAUSE_FACTOR, THROTTLED_FOR_S, Throttle


class _Work:
    """A clock that goes on with the work, and the rests that were taken."""

    def __init__(self):
        self.now_s = 100.0
        self.rests_s = []

    async def rest(self, seconds):
        self.rests_s.append(seconds)
        self.now_s += seconds

    async def parts(self, *seconds):
        throttle = Throttle(self.rest, lambda: self.now_s)
        for each in seconds:
            self.now_s += each
            await throttle.pause()
        return self.rests_s


async def test_each_pause_is_a_multiple_of_the_work_before_it():
    assert await _Work().parts(1.0, 0.5, 3.0) == [
        PAUSE_FACTOR * 1.0,
        PAUSE_FACTOR * 0.5,
        PAUSE_FACTOR * 3.0,
    ]


async def test_late_work_is_not_throttled():
    assert await _Work().parts(THROTTLED_FOR_S, 1.0) == []
    # given rests that make it late
    assert await _Work().parts(THROTTLED_FOR_S / 2, 1.0) == [PAUSE_FACTOR * THROTTLED_FOR_S / 2]


class _Http:
    """Answers the first question of a roll-up with so many websites, each with one check."""

    def __init__(self, websites):
        self.websites, self.written = websites, []

    async def major(self):
        return 1

    async def stream(self, database, question, chunk):
        websites, self.websites = self.websites, 0
        for number in range(websites):
            tags = {"website_id": str(UUID(int=number)), "region": "europe"}
            yield [Series(["time", "up", "response_ms"], [[0, 1, 5.0]], tags)]

    async def write(self, database, lines):
        self.written.append(lines.count(b"\n") + 1)


@pytest.mark.parametrize(
    ("websites", "rests"), [(LINES_PER_WRITE - 1, 0), (2 * LINES_PER_WRITE + 1, 2)]
)
async def test_a_roll_up_pauses_after_each_full_write(websites, rests):
    # given
    http, work = _Http(websites), _Work()
    store = InfluxTicks(
        http,
        "ticks",
        raw_days=1,
        rollup_days=1,
        throttle=lambda: Throttle(work.rest, lambda: work.now_s),
    )
    # when
    stored = await store.roll_up(0)
    # then: of each website a roll-up, and a histogram
    assert (stored, sum(http.written)) == (websites, 2 * websites)
    assert len(work.rests_s) == rests
