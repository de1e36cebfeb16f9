"""Every recorded flip is one row, whatever comes twice, late or out of order."""

import asyncio
import datetime as dt

from monitor.domain.outcome import Reason
from monitor.domain.verdict import Outage, Verdict
from monitor.storage.postgres import flips
from monitor.storage.postgres.flips import RecordedFlip
from monitor.storage.postgres.pool import session
from support.factories import BLOG, START_S, flip_down, flip_up


def _at(unix_s):
    return dt.datetime.fromtimestamp(unix_s, dt.UTC)


async def _flips(world, website, since_s=START_S - 9, until_s=START_S + 10_000):
    async with session(world.pool) as connection:
        rows = await flips.fetch(connection, [website, BLOG], _at(since_s), _at(until_s))
    assert set(rows) <= {website}
    return rows.get(website, [])


def _down(at_s=START_S, region="europe", reason=Reason.HTTP_STATUS):
    return RecordedFlip(region, Verdict.DOWN, at_s, at_s + 15, reason)


def _up(at_s=START_S + 60, region="europe"):
    return RecordedFlip(region, Verdict.UP, at_s, at_s)


async def test_down_and_up_are_two_rows(world):
    website = await world.website_in("europe")
    # when
    for flip in (flip_down(website), flip_up(website)):
        await world.recorder().record([flip])
    # then
    assert await _flips(world, website) == [_down(), _up()]


async def test_what_is_reported_twice_or_again_is_one_row(world):
    website = await world.website_in("europe")
    again = flip_down(website, slot_s=START_S + 500)
    # when
    recorder = world.recorder()
    await asyncio.gather(*(recorder.record([flip_down(website)]) for _ in range(4)))
    for flip in (again, flip_up(website), again, flip_down(website), flip_up(website)):
        await recorder.record([flip])
    # then
    assert await _flips(world, website) == [_down(), _up()]


async def test_an_outage_whose_beginning_was_lost_has_both_rows(world):
    website = await world.website_in("europe")
    # when: only its end arrives, and the beginning much later
    ended = Outage(START_S, Reason.CONNECT_TIMEOUT)
    await world.recorder().record([flip_up(website, ended=ended)])
    await world.recorder().record([flip_down(website, reason=Reason.CONNECT_TIMEOUT)])
    # then
    down, up = await _flips(world, website)
    assert (down.verdict, down.at_s, down.reason) == ("down", START_S, "connect_timeout")
    assert up == _up()


async def test_each_region_has_its_own_and_the_last_one_before(world):
    # given
    website = await world.website_in("europe", "asia")
    for flip in (
        flip_down(website),
        flip_up(website),
        flip_down(website, region="asia", at_s=START_S + 100),
        flip_down(website, at_s=START_S + 300),
    ):
        await world.recorder().record([flip])
    # when
    found = await _flips(world, website, START_S + 200, START_S + 300)
    # then
    assert found == [_down(START_S + 100, "asia"), _up()]
    assert await _flips(world, website, START_S + 300) == [*found, _down(START_S + 300)]


async def test_paused_websites_and_other_regions_have_none(world):
    # given
    website = await world.website_in("europe", "asia", regions=["europe"])
    # when
    await world.recorder().record([flip_down(website, region="asia")])
    # then
    assert await _flips(world, website) == []


async def test_old_flips_go_but_for_the_last_of_each_region(world):
    # given
    website = await world.website_in("europe", "asia")
    times = [START_S, START_S + 100, START_S + 200, START_S + 300]
    for at_s in times:
        await world.recorder().record([flip_down(website, at_s=at_s)])
    await world.recorder().record([flip_down(website, at_s=START_S, region="asia")])
    # when
    deleted = await flips.expire(world.pool, _at(START_S + 250))
    # then
    assert deleted == 2
    assert [f.at_s for f in await _flips(world, website)] == [START_S, START_S + 200, START_S + 300]
    assert await flips.expire(world.pool, _at(START_S + 250)) == 0
