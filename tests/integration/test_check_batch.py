"""A batch: every website checked once, stored once, and nothing of one hurts another."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from monitor.domain.errors import Unavailable
from monitor.domain.messages import CheckWebsites, RecordFlips
from monitor.domain.outcome import Reason, Result
from monitor.domain.verdict import Verdict
from monitor.probes.contract import ProbeSettings
from monitor.probes.registry import Probers
from monitor.services.checks.check import check_batch, check_websites
from monitor.services.checks.ticks import TickUpkeep
from monitor.storage.redis.regions import Regions
from monitor.storage.redis.tick_buffer import TickBuffer
from support.factories import START_S, batch_message, outcome_down, recheck_message, tick
from support.targets_checks import LOOPBACK_ONLY

DOWN = outcome_down(evidence="refused")
TIMED_OUT = outcome_down(Reason.CONNECT_TIMEOUT)


def _batch(slot_s):
    return batch_message(slot_ms=slot_s * 1000)


async def _given(world, *urls):
    await world.add_region("europe")
    websites = [await world.add_website(url) for url in urls]
    await world.sync()
    return websites


async def _ticks(world, website):
    return await world.ticks.ticks(website, START_S - 3600, START_S + 3600)


async def test_a_batch_stores_a_tick_and_a_state_for_each_website(world):
    up, down = await _given(world, "http://up/", "http://down/")
    world.prober.outcomes["http://down/"] = DOWN
    # when
    follow = await check_batch(world.worker(), _batch(START_S))
    # then
    (tick,) = await _ticks(world, up)
    assert (tick.slot_s, tick.up, tick.status_code) == (START_S, True, 200)
    (tick,) = await _ticks(world, down)
    assert (tick.up, tick.reason) == (False, Reason.CONNECTION_REFUSED)
    states = await world.states.read({"europe": [up, down]})
    assert states["europe", up].verdict is Verdict.UP
    # and the suspect is looked at again after 15 s
    (again,) = follow
    assert isinstance(again.payload, CheckWebsites)
    assert again.payload.website_ids == [down]
    assert again.not_before_ms == (START_S + 15) * 1000


async def test_a_batch_that_runs_twice_checks_and_stores_once(world):
    (website,) = await _given(world, "http://up/")
    # when
    await check_batch(world.worker(), _batch(START_S))
    assert await check_batch(world.worker(), _batch(START_S)) == []
    # then
    assert world.prober.checked == ["http://up/"]
    assert len(await _ticks(world, website)) == 1


async def test_a_recheck_is_stored_as_out_of_turn(world):
    (website,) = await _given(world, "http://down/")
    world.prober.outcomes["http://down/"] = DOWN
    # when
    (again,) = await check_batch(world.worker(), _batch(START_S))
    await check_websites(world.worker(), again.payload)
    # then
    ticks = await _ticks(world, website)
    assert [(t.slot_s, t.out_of_turn) for t in ticks] == [(START_S, False), (START_S + 15, True)]


async def test_a_check_is_made_for_the_slot_of_its_batch(world):
    await _given(world, "http://up/")
    for number in range(2):
        world.now_s = START_S + 180 * number + 7  # late
        await check_batch(world.worker(), _batch(START_S + 180 * number))
    # then what it looks up is shared with no check of another slot
    assert world.prober.slots_s == [START_S, START_S + 180]


async def test_only_a_website_that_is_firmly_up_is_checked_without_doubt(world):
    await _given(world, "http://flaky/")
    results = [None, None, DOWN, DOWN, None, None]
    for number, outcome in enumerate(results):
        world.prober.outcomes["http://flaky/"] = outcome
        world.now_s = START_S + 180 * number
        await check_batch(world.worker(), _batch(world.now_s))
    # then the first one, whose verdict is unknown, and those after a failure are in doubt
    assert world.prober.in_doubt == [True, False, False, True, True, False]


async def test_the_second_failure_is_a_flip_reported_until_recorded(world):
    (website,) = await _given(world, "http://down/")
    world.prober.outcomes["http://down/"] = DOWN
    # when
    (again,) = await check_batch(world.worker(), _batch(START_S))
    world.now_s += 15
    (report,) = await check_websites(world.worker(), again.payload)
    # then
    assert isinstance(report.payload, RecordFlips)
    (flip,) = report.payload.flips
    assert (flip.website_id, flip.verdict, flip.at_s) == (website, Verdict.DOWN, START_S)
    assert await world.states.unrecorded("europe") == [flip]
    await world.states.mark_recorded([flip])
    assert await world.states.unrecorded("europe") == []


async def test_a_batch_older_than_its_interval_is_dropped_and_counted(world):
    (website,) = await _given(world, "http://up/")
    # when
    assert await check_batch(world.worker(), _batch(START_S - 181)) == []
    # then
    assert world.prober.checked == []
    assert await _ticks(world, website) == []
    counters = await Regions(world.redis).counters()
    assert counters == {"dropped_batches:europe": 1, "not_measured:europe": 1}


async def test_an_unscheduled_check_that_waited_too_long_is_dropped_and_counted(world):
    websites = await _given(world, "http://1/", "http://2/")
    message = recheck_message(websites, slot_ms=(START_S - 61) * 1000)
    # when
    assert await check_websites(world.worker(), message) == []
    # then
    assert world.prober.checked == []
    counters = await Regions(world.redis).counters()
    assert counters == {"dropped_batches:europe": 0, "not_measured:europe": 2}


async def test_a_region_without_network_reports_it_and_no_website_as_down(world):
    (website,) = await _given(world, "http://down/")
    world.prober.outcomes["http://down/"] = TIMED_OUT
    world.connectivity.network = False
    # when it fails twice, and more
    for n in range(3):
        assert await check_batch(world.worker(), _batch(START_S + n * 180)) == []
        world.now_s += 180
    # then
    assert await _ticks(world, website) == []
    assert await world.states.read({"europe": [website]}) == {}
    reports = await Regions(world.redis).reports()
    assert reports["europe"].network == "lost"
    # and with the network back the same failures count
    world.connectivity.network = True
    (again,) = await check_batch(world.worker(), _batch(START_S + 3 * 180))
    assert isinstance(again.payload, CheckWebsites)


@pytest.mark.parametrize(("found", "asked"), [(TIMED_OUT, [0]), (DOWN, []), (None, [])])
async def test_the_network_is_probed_once_after_failures(world, found, asked):
    urls = [f"http://{n}/" for n in range(12)]
    await _given(world, *urls)
    world.prober.outcomes = {urls[3]: found} if found else {}
    times = []

    async def has_network(lasted_s):
        assert len(world.prober.checked) == 12
        times.append(lasted_s)
        return True

    world.connectivity.has_network = has_network
    await check_batch(world.worker(), _batch(START_S))
    assert times == asked


async def test_a_response_counts_even_without_network(world):
    (website,) = await _given(world, "http://refuses/")
    world.prober.outcomes["http://refuses/"] = DOWN
    world.connectivity.network = False
    await check_batch(world.worker(), _batch(START_S))
    assert len(await _ticks(world, website)) == 1


@pytest.mark.parametrize("earlier_s", [0, 1])
async def test_of_two_overlapping_checks_the_earlier_slot_is_ignored(world, earlier_s):
    (website,) = await _given(world, "http://up/")
    entries = await world.projection.read_websites("europe", [website])
    # given a check that read its state before another one wrote
    worker = world.worker()
    await check_batch(worker, _batch(START_S))

    async def stale(*_):
        return entries

    world.prober.outcomes["http://up/"] = DOWN

    class Stale:
        read_arc = staticmethod(stale)
        read_websites = worker.projection.read_websites

    # when
    batch = _batch(START_S - earlier_s)
    follow = await check_batch(replace(worker, projection=Stale()), batch)
    # then it is stored as a tick, and decides nothing
    assert follow == []
    states = await world.states.read({"europe": [website]})
    assert states["europe", website].failures == 0


async def test_a_suspect_of_a_late_batch_is_rechecked_15_s_later(world):
    (website,) = await _given(world, "http://down/")
    world.prober.outcomes["http://down/"] = DOWN
    # given a batch that waited for a minute, and its re-check
    world.now_s = START_S + 60
    (again,) = await check_batch(world.worker(), _batch(START_S))
    assert again.not_before_ms == (START_S + 75) * 1000
    world.now_s = START_S + 75
    # when
    (report,) = await check_websites(world.worker(), again.payload)
    # then the tick has its slot, and the outage began when it was seen
    assert [t.slot_s for t in await _ticks(world, website)] == [START_S, START_S + 75]
    assert report.payload.flips[0].at_s == START_S + 60


async def test_refused_ticks_are_buffered_and_flips_still_reported(world):
    (website,) = await _given(world, "http://down/")
    world.prober.outcomes["http://down/"] = DOWN
    store, worker = world.ticks, world.worker()

    class Refusing:
        async def write(self, ticks):
            raise Unavailable("influxdb", "refuses")

    refused = replace(worker, ticks=Refusing())
    # when
    (again,) = await check_batch(refused, _batch(START_S))
    (report,) = await check_websites(refused, again.payload)
    # then the flip is on its way, and the ticks come later with their own times
    assert isinstance(report.payload, RecordFlips)
    assert await TickUpkeep(store, world.buffer, world.now).write_buffered() == 2
    assert [t.slot_s for t in await _ticks(world, website)] == [START_S, START_S + 15]
    assert await world.buffer.oldest() is None


async def test_the_tick_buffer_is_bounded_and_drops_the_oldest(world):
    (website,) = await _given(world, "http://up/")

    def chunk(n):
        return [tick(START_S + n, website=website)]

    small = TickBuffer(world.redis, 1000)
    # when
    dropped = sum([await small.push(chunk(n)) for n in range(50)])
    # then
    kept = await world.redis.llen("monitor:ticks")
    assert kept + dropped == 50
    assert 0 < kept < 50
    _, oldest = await small.oldest()
    assert oldest == chunk(dropped)
    assert int(await world.redis.get("monitor:ticks:bytes")) <= 1000


async def test_a_late_batch_rechecks_15_s_after_its_checks(world):
    (website,) = await _given(world, "http://down/")
    world.prober.outcomes["http://down/"] = DOWN
    # when it is made 100 s after its slot
    world.now_s = START_S + 100
    (again,) = await check_batch(world.worker(), _batch(START_S))
    # then
    assert again.not_before_ms == (START_S + 115) * 1000
    # and the failure is of the time it was seen
    states = await world.states.read({"europe": [website]})
    assert states["europe", website].first_failure_s == START_S + 100


async def test_websites_checked_by_a_clock_ahead_are_checked_again(world):
    (website,) = await _given(world, "http://up/")
    world.now_s = START_S + 3600
    await check_batch(world.worker(), _batch(START_S + 3600))
    # when the clock is right again
    world.now_s = START_S + 30
    await check_batch(world.worker(), _batch(START_S + 30))
    await check_batch(world.worker(), _batch(START_S + 30))
    # then
    assert len(world.prober.checked) == 2
    states = await world.states.read({"europe": [website]})
    assert states["europe", website].slot_s == START_S + 30


async def test_of_a_kind_that_the_worker_does_not_know_nothing_is_measured_and_it_says_so(world):
    # given a worker of a version that had another kind, and not this one
    websites = await _given(world, "http://one/", "http://two/")
    world.prober = Probers(ProbeSettings(LOOPBACK_ONLY), kinds={})
    worker = world.worker()
    # when
    with capture_logs() as logs:
        follow = await check_batch(worker, _batch(START_S))
    # then
    assert follow == []
    assert [await _ticks(world, website) for website in websites] == [[], []]
    assert await world.states.read({"europe": websites}) == {}
    assert worker.meter.outcomes == {(Result.NOT_MEASURED, Reason.UNSUPPORTED_KIND): 2}
    (line,) = [line for line in logs if line["event"] == "batch.unsupported_kind"]
    assert (line["websites"], line["log_level"]) == (2, "warning")
    (done,) = [line for line in logs if line["event"] == "batch.checked"]
    assert (done["not_measured"], done["not_measured_for"]) == (2, {"unsupported_kind": 2})


async def test_the_log_names_no_reasons_where_all_is_measured(world):
    await _given(world, "http://up/")
    # when
    with capture_logs() as logs:
        await check_batch(world.worker(), _batch(START_S))
    # then
    (done,) = [line for line in logs if line["event"] == "batch.checked"]
    assert done["not_measured"] == 0
    assert "not_measured_for" not in done
