"""The projection: what region workers need of each website, kept in Redis from Postgres."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from monitor.domain.ids import ring_position
from monitor.domain.ring import Ring
from monitor.domain.verdict import RegionState
from monitor.domain.website import CheckOptions, Definition, Projected
from monitor.storage.redis import keys
from monitor.storage.redis.client import raw, translated
from monitor.storage.redis.states import unpack


class Entry(Struct, frozen=True):
    """A website to check, and what the region holds about it."""

    website_id: UUID
    options: CheckOptions
    state: RegionState


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Definition).decode
_NEVER_CHECKED = RegionState()


def encode(definition: Definition) -> bytes:
    return _encode(definition)


class Projection:
    """Reads and changes the projection. Raises Unavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def rings(self) -> list[Ring]:
        """All rings that hold websites, or held some since the last full sync."""
        with translated():
            names = await self._redis.smembers(keys.RINGS)
        return sorted(_ring_of(raw(name)) for name in names)

    async def counts(self, ring: Ring, spans: Sequence[tuple[int, int]]) -> list[int]:
        """How many websites sit at positions lo <= p < hi, for each (lo, hi)."""
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for lo, hi in spans:
                    pipe.zcount(keys.ring(ring), lo, f"({hi}")
                counts: list[int] = await pipe.execute()
        return counts

    async def read_arc(self, ring: Ring, lo: int, hi: int) -> list[Entry]:
        """The websites at positions lo <= p < hi, with their definitions and states."""
        with translated():
            ids = await self._redis.zrange(keys.ring(ring), lo, f"({hi}", byscore=True)
        return await self._entries(ring.region, [raw(i) for i in ids])

    async def read_websites(self, region: str, website_ids: Iterable[UUID]) -> list[Entry]:
        """These websites as far as they are to be checked from this region."""
        return await self._entries(region, [i.bytes for i in website_ids])

    async def _entries(self, region: str, ids: list[bytes]) -> list[Entry]:
        if not ids:
            return []
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hmget(keys.DEFINITIONS, ids)
                pipe.hmget(keys.state(region), ids)
                definitions, states = await pipe.execute()
        entries = []
        for raw_id, value, state in zip(ids, definitions, states, strict=True):
            if value is None:
                continue  # deleted or paused between the two reads
            found = _decode(raw(value))
            if found.regions is None or region in found.regions:
                held = unpack(state) if state else _NEVER_CHECKED
                entries.append(Entry(UUID(bytes=raw_id), found.check, held))
        return entries

    async def apply(
        self,
        websites: Sequence[Projected],
        regions: Sequence[str],
        forget: Collection[UUID] = (),
    ) -> None:
        """Make these websites stand as given, in one transaction. ``regions``: all there are.

        What any region holds about the websites of ``forget`` goes, even where they stay.
        """
        ids = [w.website_id.bytes for w in websites]
        if not ids:
            return
        with translated():
            before = await self._redis.hmget(keys.DEFINITIONS, ids)
            async with self._redis.pipeline(transaction=True) as pipe:
                for website, value in zip(websites, before, strict=True):
                    if value is not None:
                        _remove(pipe, website, _decode(raw(value)), regions)
                    if website.definition is not None:
                        add(pipe, website.website_id, website.definition, regions)
                _forget(pipe, [i.bytes for i in forget], regions)
                await pipe.execute()


def _ring_of(name: bytes) -> Ring:
    region, _, interval = name.decode().rpartition(":")
    return Ring(region, int(interval))


def _remove(pipe: Pipeline, website: Projected, old: Definition, regions: Sequence[str]) -> None:
    raw_id = website.website_id.bytes
    new = website.definition
    kept = () if new is None else (regions if new.regions is None else new.regions)
    for region in regions if old.regions is None else old.regions:
        pipe.zrem(keys.ring(Ring(region, old.check.check_frequency)), raw_id)
        if region not in kept:
            pipe.hdel(keys.state(region), raw_id)
            pipe.hdel(keys.flips(region), raw_id)
    if new is None:
        pipe.hdel(keys.DEFINITIONS, raw_id)


def _forget(pipe: Pipeline, ids: Sequence[bytes], regions: Sequence[str]) -> None:
    # All regions, not those of the old definition alone: a full sync may have replaced that.
    for region in regions if ids else ():
        pipe.hdel(keys.state(region), *ids)
        pipe.hdel(keys.flips(region), *ids)


def add(
    pipe: Pipeline,
    website_id: UUID,
    definition: Definition,
    regions: Sequence[str],
    prefix: str = "",
) -> None:
    """Put a website into its rings and among the definitions, of keys that start with prefix."""
    pipe.hset(prefix + keys.DEFINITIONS, website_id.bytes, encode(definition))
    position = ring_position(website_id)
    for region in regions if definition.regions is None else definition.regions:
        ring = Ring(region, definition.check.check_frequency)
        pipe.zadd(prefix + keys.ring(ring), {website_id.bytes: position})
        pipe.sadd(prefix + keys.RINGS, f"{ring.region}:{ring.interval_s}")
