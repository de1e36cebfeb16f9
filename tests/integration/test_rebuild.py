"""A whole new projection: nothing of it is left out, and it lies in memory as it is read."""

import pytest

from monitor.domain.ids import ring_position, uuid7
from monitor.domain.ring import POSITIONS, Ring
from monitor.storage.redis import rebuild as rebuild_module
from monitor.storage.redis.client import make_client
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.rebuild import Rebuild
from support.factories import definition

RING = Ring("europe", 180)
WEBSITES = [(uuid7(1, bytes([n]) * 10), definition(f"http://example.com/{n}")) for n in range(7)]


@pytest.fixture
def written(monkeypatch):
    """The ids as they were written: sorted where there are four, three in one command."""
    found, add = [], rebuild_module.add

    def noted(pipe, websites, *more):
        found.extend(i for _, i, _ in websites)
        add(pipe, websites, *more)

    monkeypatch.setattr(rebuild_module, "add", noted)
    monkeypatch.setattr(rebuild_module, "_SORT_CHUNK", 4)
    monkeypatch.setattr(rebuild_module, "_PAGE", 3)
    return found


async def _rebuilt(redis_url):
    """The websites of the ring after a rebuild that was given three, three, and one."""
    redis = make_client(redis_url)
    rebuild = Rebuild(redis, ["europe"])
    await rebuild.begin()
    for begin in range(0, 7, 3):
        await rebuild.put(WEBSITES[begin : begin + 3])
    await rebuild.swap("run")
    found = await Projection(redis).read_arc(RING, 0, POSITIONS)
    await redis.aclose()
    return found


async def test_pending_websites_are_written_by_the_swap(redis_url, written):
    # when
    found = await _rebuilt(redis_url)
    # then
    assert {e.website_id: e.options for e in found} == {i: d.check for i, d in WEBSITES}


async def test_websites_are_written_in_ring_order(redis_url, written):
    # when
    await _rebuilt(redis_url)
    # then as soon as there were four: that is, of the first six, and of the rest
    ids = [i for i, _ in WEBSITES]
    assert written == sorted(ids[:6], key=ring_position) + ids[6:]
    assert ids[:6] != sorted(ids[:6], key=ring_position)
