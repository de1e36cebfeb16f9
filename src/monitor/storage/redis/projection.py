"""The projection: the data of each website that region workers need, copied from Postgres."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from monitor.domain.ids import ring_position
from monitor.domain.ring import Ring
from monitor.domain.verdict import RegionState
from monitor.resources.check_options import CheckOptions
from monitor.resources.website import Definition, Projected
from monitor.storage.redis import keys
from monitor.storage.redis.client import raw, translated
from monitor.storage.redis.definitions import decode, encode
from monitor.storage.redis.states import unpack


class Entry(Struct, frozen=True):
    """A website to check, and its state in the region. ``encrypted`` secrets are not in its
    options yet."""

    website_id: UUID
    options: CheckOptions
    state: RegionState
    encrypted: dict[str, str] | None = None


_NEVER_CHECKED = RegionState()


class Projection:
    """Reads and changes the projection. Raises Unavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def rings(self) -> list[Ring]:
        """All rings with websites, or that had some since the last full sync."""
        with translated():
            names = await self._redis.smembers(keys.RINGS)
        return sorted(_ring_of(raw(name)) for name in names)

    async def sizes(self) -> dict[Ring, int]:
        """The number of websites in each ring."""
        rings = await self.rings()
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for ring in rings:
                    pipe.zcard(keys.ring(ring))
                return dict(zip(rings, await pipe.execute(), strict=True))

    async def counts(self, ring: Ring, spans: Sequence[tuple[int, int]]) -> list[int]:
        """The number of websites at positions lo <= p < hi, for each (lo, hi)."""
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
        """Those of these websites that are checked from this region."""
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
            website = decode(raw(value))
            if website.regions is None or region in website.regions:
                current = unpack(state) if state else _NEVER_CHECKED
                entries.append(Entry(UUID(bytes=raw_id), website.check, current, website.encrypted))
        return entries

    async def apply(
        self,
        websites: Sequence[Projected],
        regions: Sequence[str],
        forget: Collection[UUID] = (),
    ) -> None:
        """Write these websites in one transaction. ``regions``: all regions.

        The states and flips of the websites in ``forget`` are deleted, even if the websites stay.
        """
        ids = [w.website_id.bytes for w in websites]
        if not ids:
            return
        with translated():
            before = await self._redis.hmget(keys.DEFINITIONS, ids)
            async with self._redis.pipeline(transaction=True) as pipe:
                changed = _changed(websites, before)
                _remove(pipe, changed, regions)
                present = [(w.website_id, w.definition) for w, _ in changed]
                add(pipe, placed((i, d) for i, d in present if d is not None), regions)
                _forget(pipe, [i.bytes for i in forget], regions)
                await pipe.execute()


def _ring_of(name: bytes) -> Ring:
    region, _, interval = name.decode().rpartition(":")
    return Ring(region, int(interval))


Changed = tuple[Projected, Definition | None]
"""The new and the current projection of a website."""


def _changed(websites: Sequence[Projected], before: Sequence[object]) -> list[Changed]:
    """Those that differ: a sync may be repeated many times."""
    pairs = zip(websites, before, strict=True)
    decoded = [(w, None if value is None else decode(raw(value))) for w, value in pairs]
    return [(w, old) for w, old in decoded if w.definition != old]


def _remove(pipe: Pipeline, changed: Iterable[Changed], regions: Sequence[str]) -> None:
    """Remove websites from the keys that they no longer belong to."""
    removals: dict[str, list[bytes]] = {}
    for website, old in changed:
        if old is None:
            continue
        raw_id, new = website.website_id.bytes, website.definition
        rings = _rings(old, regions) - _rings(new, regions)
        names = [keys.ring(ring) for ring in rings]
        for region in {r.region for r in rings} - {r.region for r in _rings(new, regions)}:
            names += (keys.state(region), keys.flips(region))
        if new is None:
            names.append(keys.DEFINITIONS)
        for name in names:
            removals.setdefault(name, []).append(raw_id)
    for name, ids in removals.items():
        if name.startswith(keys.RING_PREFIX):
            pipe.zrem(name, *ids)
        else:
            pipe.hdel(name, *ids)


def _rings(definition: Definition | None, regions: Sequence[str]) -> set[Ring]:
    if definition is None:
        return set()
    own = regions if definition.regions is None else definition.regions
    return {Ring(region, definition.check.check_frequency) for region in own}


def _forget(pipe: Pipeline, ids: Sequence[bytes], regions: Sequence[str]) -> None:
    # All regions, not only those of the old definition: a full sync may have replaced it.
    for region in regions if ids else ():
        pipe.hdel(keys.state(region), *ids)
        pipe.hdel(keys.flips(region), *ids)


Placed = tuple[int, UUID, Definition]
"""A website and its position on its rings."""


def placed(websites: Iterable[tuple[UUID, Definition]]) -> list[Placed]:
    return [(ring_position(i), i, definition) for i, definition in websites]


def add(
    pipe: Pipeline,
    websites: Iterable[Placed],
    regions: Sequence[str],
    prefix: str = "",
) -> None:
    """Add websites to rings and definitions, in keys with this prefix.

    One command per key, however many websites: otherwise commands would dominate a sync.
    """
    definitions: dict[bytes, bytes] = {}
    rings: dict[tuple[str, int], dict[bytes, int]] = {}
    for position, website_id, definition in websites:
        raw_id = website_id.bytes
        definitions[raw_id] = encode(definition)
        for region in regions if definition.regions is None else definition.regions:
            ring = rings.setdefault((region, definition.check.check_frequency), {})
            ring[raw_id] = position
    if definitions:
        pipe.hset(prefix + keys.DEFINITIONS, mapping=definitions)  # type: ignore[arg-type] # bytes are fine
    for name, members in rings.items():
        pipe.zadd(prefix + keys.ring(Ring(*name)), members)
        pipe.sadd(prefix + keys.RINGS, f"{name[0]}:{name[1]}")
