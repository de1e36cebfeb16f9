"""The time of an installation is that of its Redis, whatever a host's own clock says."""

import time

import pytest
from structlog.testing import capture_logs

from monitor.domain.errors import Unavailable
from monitor.services.workers.clock import SharedClock
from monitor.storage.redis.client import client
from support.ports import free_port

HOUR_S = 3600


class Host:
    """A host's clocks, to be turned by hand."""

    def __init__(self, ahead_s=0.0):
        self.ahead_s = ahead_s

    def time(self):
        return time.time() + self.ahead_s


async def _sync(clock, redis_url):
    async with client(redis_url) as redis:
        await clock.sync(redis)


@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S, 0.0])
async def test_a_host_an_hour_off_uses_the_time_of_redis(redis_url, ahead_s):
    host = Host(ahead_s)
    clock = SharedClock(host=host.time)
    assert clock.now() == pytest.approx(host.time(), abs=1)
    # when
    with capture_logs() as lines:
        await _sync(clock, redis_url)
        await _sync(clock, redis_url)
    # then
    assert clock.now() == pytest.approx(time.time(), abs=1)
    assert clock.now_ms() == pytest.approx(time.time() * 1000, abs=1000)
    # and is told so once
    told = [line["off_s"] for line in lines if line["event"] == "clock.differs_from_redis"]
    assert told == ([pytest.approx(ahead_s, abs=1)] if ahead_s else [])


async def test_a_stepped_host_clock_does_not_change_the_shared_time(redis_url):
    host = Host()
    clock = SharedClock(host=host.time)
    await _sync(clock, redis_url)
    # when
    host.ahead_s = HOUR_S
    # then
    assert clock.now() == pytest.approx(time.time(), abs=1)
    # and it is told when its clock is wrong, and when it is right again
    with capture_logs() as lines:
        await _sync(clock, redis_url)
        host.ahead_s = 0.0
        await _sync(clock, redis_url)
    assert [round(line["off_s"]) for line in lines] == [HOUR_S, 0]


async def test_without_redis_the_clock_continues():
    clock = SharedClock(host=Host(HOUR_S).time)
    with pytest.raises(Unavailable):
        await _sync(clock, f"redis://127.0.0.1:{free_port()}/0")
    assert clock.now() == pytest.approx(time.time() + HOUR_S, abs=1)
