"""Imports and exports that move slowly, or many of one key, shut nobody else out."""

import asyncio
from uuid import uuid4

import pytest

from monitor.domain.errors import BodyStalled, Busy
from monitor.domain.pace import TransferRate
from monitor.resources.audit import Actor
from monitor.services.access import audit
from monitor.services.bulk import imports
from monitor.services.bulk.export import Export, Exporter, ReadTooSlowly
from monitor.services.bulk.places import GaveWay, Places
from monitor.storage.postgres.pool import make_pool
from monitor.storage.postgres.websites import Filter
from support.bulk import send, sites, the_import

ANY_RATE = TransferRate(min_bytes=0)


def _of(key, coroutine):
    """A task that acts with this API key."""
    with audit.acting(Actor("key", key, None)):
        return asyncio.create_task(coroutine)


class _Body:
    """A body that begins with whole chunks and then drips."""

    def __init__(self, begin):
        self._begin = begin
        self.dripping = asyncio.Event()

    async def blocks(self):
        yield self._begin
        self.dripping.set()
        while True:
            await asyncio.sleep(0.02)
            yield b" "


def _import(importer, body, key):
    return imports.run(importer, body.blocks(), key=key, dry_run=False)


async def test_imports_of_one_key_make_way_for_another(api):
    # given a key that has all places, in imports that drip
    await api.add_regions("europe")
    importer = api.importer(rate=ANY_RATE)
    one, other = uuid4(), uuid4()
    bodies = [_Body(sites(1001, first=2000 * n)) for n in range(3)]
    running = [_of(one, _import(importer, body, f"k{n}")) for n, body in enumerate(bodies)]
    await asyncio.gather(*(body.dripping.wait() for body in bodies))
    # when another key imports
    done = await _of(other, send_lines(importer, sites(5, first=9000)))
    # then it did, and the youngest of the others gave way
    assert done.counts.created == 5
    with pytest.raises(GaveWay, match="Idempotency-Key"):
        await running[2]
    assert not running[0].done()
    assert not running[1].done()
    for task in running[:2]:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    # and what it had stored is kept, and continues
    stopped = await the_import(api, "k2")
    assert (stopped["state"], stopped["lines"]) == ("interrupted", 1000)
    assert (await send(api, sites(1001, first=4000), key="k2"))["created"] == 1001


async def send_lines(importer, lines):
    async def blocks():
        yield lines

    return await imports.run(importer, blocks(), key=None, dry_run=False)


async def test_an_import_that_drips_gives_its_place_up(api):
    # given
    await api.add_regions("europe")
    importer = api.importer(rate=TransferRate(min_bytes=1000, window_s=0.5))
    body = _Body(sites(1500))
    # when
    with pytest.raises(BodyStalled, match="of the body arrived"):
        await _import(importer, body, "k")
    # then what was whole is kept, and the rest continues
    assert importer.places.taken == 0
    stopped = await the_import(api, "k")
    assert (stopped["state"], stopped["lines"]) == ("interrupted", 1000)
    assert (await send(api, sites(1500), key="k"))["created"] == 1500


async def test_imports_hold_no_more_than_half_of_the_pool():
    for max_size, limit in {10: 3, 4: 2, 2: 1, 1: 1}.items():
        pool = make_pool("postgresql://nowhere", max_size=max_size)
        assert imports.places_of(pool)._limit == limit


async def _exported(api, count):
    await api.add_regions("europe")
    await send(api, sites(count))


async def _lines(export):
    async def encoded():
        async for page in export.pages():
            yield b"x" * len(page)

    return [block async for block in export.watched(encoded())]


async def test_exports_of_one_key_make_way_for_another(api):
    # given a key that has all places, in exports that it does not read
    await _exported(api, 1500)
    exporter = Exporter(api.pool, Places("exports", 3), ANY_RATE)
    one, other = uuid4(), uuid4()
    running = [await _of(one, Export.begin(exporter, Filter())) for _ in range(3)]
    # when another key exports
    export = await _of(other, Export.begin(exporter, Filter()))
    # then it gets everything
    assert sum(map(len, await _lines(export))) == 1500
    # and of the others one is cut
    with pytest.raises(GaveWay):
        await _lines(running[2])
    for export in running[:2]:
        assert sum(map(len, await _lines(export))) == 1500
    assert exporter.places.taken == 0


async def test_an_export_that_is_barely_read_gives_its_place_up(api):
    # given
    await _exported(api, 1500)
    rate = TransferRate(min_bytes=10_000, window_s=0.3)
    exporter = Exporter(api.pool, Places("exports", 1), rate)
    export = await Export.begin(exporter, Filter())

    async def parts():
        async for page in export.pages():
            yield b"x" * len(page)

    # when its client reads a little, now and then
    with pytest.raises(ReadTooSlowly):
        await _barely_read(export.watched(parts()))
    # then
    assert exporter.places.taken == 0


async def _barely_read(blocks):
    async for _ in blocks:
        await asyncio.sleep(0.2)


async def test_an_export_is_not_slow_because_the_store_is(api):
    # given
    await _exported(api, 1500)
    exporter = Exporter(api.pool, Places("exports", 1), TransferRate(10_000, 0.3))
    export = await Export.begin(exporter, Filter())

    async def parts():
        async for page in export.pages():
            await asyncio.sleep(0.2)  # nothing of it is up to the client
            yield b"x" * len(page)

    # then
    assert sum([len(block) async for block in export.watched(parts())]) == 1500


async def test_a_fourth_import_of_other_keys_waits_only_so_long(api):
    await api.add_regions("europe")
    importer = api.importer(rate=ANY_RATE, places=Places("imports", 1, wait_s=0.1))
    body = _Body(sites(1))
    running = _of(uuid4(), _import(importer, body, None))
    await body.dripping.wait()
    with pytest.raises(Busy):
        await _of(uuid4(), send_lines(importer, sites(1)))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
