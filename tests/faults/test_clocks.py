"""Clocks that are stepped, and time in which nobody gave out any work."""

import datetime as dt
import time
from collections import Counter

import pytest

from monitor.domain.messages import SCHEDULE_QUEUE
from support.fake_clock import HOUR_S, fake_clock
from support.judge import Allowance
from support.system import eventually
from support.truth import INTERVAL_S, OUTAGE_S, Outage, Script, scripted

_GAP_S = 600


@pytest.fixture
def clock():
    with fake_clock() as made:
        yield made


@pytest.fixture
def clock_of_all(clock, monkeypatch):
    """The clock of everything that the test starts, the servers among it; not the test's own."""
    for name, value in clock.settings.items():
        monkeypatch.setenv(name, value)
    return clock


@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S], ids=["forward", "backward"])
def test_the_clock_of_one_host_is_stepped_and_put_right(faulty, clock, ahead_s):
    # given a host with one of each process
    of = dict.fromkeys(("api", "europe-2", "central-2", "scheduler-2"), clock.settings)
    with faulty(scripted(41), of=lambda *_: of) as system:
        # when it is an hour off for a while
        system.at(10)
        clock.step(ahead_s)
        system.at(60)
        clock.step(0)
        # then nothing comes of it at all
        system.compare(Allowance(late_s=5))
        # and its log says that it was off, and that it is not any more
        for name in ("api", "europe-2", "central-2"):
            events = system.processes.events(name)
            told = [e["off_s"] for e in events if e["event"] == "clock.differs_from_redis"]
            assert [round(off_s) for off_s in told] == [ahead_s, 0], name


def test_all_clocks_are_stepped_an_hour_forward_and_back(faulty, clock_of_all):
    # given websites that go down a minute after all is right again
    outages = tuple(Outage(n, 150.0 + n / 4, 150.0 + n / 4 + OUTAGE_S) for n in range(40))
    with faulty(Script(300, outages)) as system:
        begin_s = system.sites.begin_s
        system.true_s = lambda at_s: at_s - HOUR_S if at_s > begin_s + HOUR_S / 2 else at_s
        # when
        system.at(5)
        clock_of_all.step(HOUR_S)
        system.at(80)
        lately = [w for at_s, w in list(system.sites.asked) if at_s > begin_s + 50]
        assert len(lately) > 50, "nobody works in the wrong hour"
        clock_of_all.step(0)
        # then the minutes of the two steps are lost, two slots of each website at most each time
        system.compare(Allowance(late_s=15, lost_ticks=4 * system.script.websites))


def test_the_schedulers_are_stopped_for_ten_minutes(faulty, clock_of_all):
    # given a website that is down
    script = Script(300, (Outage(1, 0.0, None),))
    with faulty(script) as system:
        begin_s = system.sites.begin_s
        eventually(lambda: len(system.mailbox.mails) == 1, within_s=90)
        # when ten minutes pass without a scheduler
        stopping_s = time.time()
        for name in ("scheduler-1", "scheduler-2"):
            system.processes.stop(name)
        # and what they asked for last is done: it would give out the minute that it is by then
        eventually(lambda: _queued(system, SCHEDULE_QUEUE) == 0, within_s=60)
        stopped_s = time.time()
        clock_of_all.step(_GAP_S)
        # then nobody knows how the websites are, and what was known to be down is not taken back
        eventually(lambda: _statuses(system) == {"unknown": 300}, within_s=30)
        # and what was given out before is made no more, and given to nobody else
        eventually(lambda: _queued(system, "checks.europe") == 0, within_s=60)
        told = [e for n in (1, 2) for e in system.processes.events(f"europe-{n}")]
        dropped = Counter(e["slot_ms"] for e in told if e["event"] == "batch.dropped")
        assert max(dropped.values(), default=0) <= 1, dropped
        # and when they are back
        restarted_s = time.time()
        for name in ("scheduler-1", "scheduler-2"):
            system.processes.start(name)
        eventually(lambda: _statuses(system) == {"up": 299, "down": 1}, within_s=150, every_s=2)
        watched_s = 2 * INTERVAL_S
        system.at(restarted_s - begin_s + watched_s)
        # then no website is asked for what was missed: once in its turn, and where it is down again
        asked = Counter(
            website
            for at_s, website in list(system.sites.asked)
            if restarted_s <= at_s < restarted_s + watched_s
        )
        assert max(asked.values()) <= 2 * 2, asked.most_common(5)
        assert sum(asked.values()) < 3 * 2 * script.websites
        # and none of it is invented: ten minutes without a tick, which the API shows as such
        record = system.record()
        given_out_until_s = (stopped_s // 60 + 1) * 60
        until_s = restarted_s + _GAP_S - 65
        gap = [t for t in record.ticks if given_out_until_s <= t.slot_s < until_s]
        assert gap == []
        series = system.api.get(f"/monitor/{system.ids[3]}", params={"days": 1}).json()["series"]
        (uptime,) = [s["uptime"] for s in series]
        assert uptime["up_ratio"] == 1.0
        assert uptime["measured_ratio"] < 0.5
        # which is counted, by one of those that gave out the next minute
        told = [e for n in (1, 2) for e in system.processes.events(f"central-{n}")]
        (left_out,) = [e for e in told if e["event"] == "minutes.missed"]
        noted_s = dt.datetime.fromisoformat(left_out["timestamp"]).timestamp()
        assert _GAP_S - 120 <= left_out["lasted_s"] <= noted_s - stopping_s
        # and the incident is the one it was
        assert [(i.website, i.resolved_s) for i in record.incidents] == [(1, None)]
        assert len(system.mailbox.mails) == 1


def _queued(system, queue):
    """Messages on a queue, those for later and those that a worker has among them."""
    with system.redis.client() as redis, redis.pipeline(transaction=True) as pipe:
        for name in (queue, f"{queue}.DQ"):
            pipe.hlen(f"dramatiq:{name}.msgs")
        return sum(pipe.execute())


def _statuses(system):
    return Counter(item["status"] for item in system.processes.statuses().values())
