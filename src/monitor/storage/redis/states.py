"""The state of each website in each region: one hash per region, 24 bytes per website."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from monitor.domain.outcome import REASON_CODES
from monitor.domain.verdict import Flip, RegionState, Verdict
from monitor.runtime.logging import get_logger
from monitor.storage.redis import keys
from monitor.storage.redis.client import raw, translated

log = get_logger(__name__)

_LAYOUT = struct.Struct(">IIIfHBBB")
"""slot_s, since_s, first_failure_s, response_ms (-1: none), status_code, failures, verdict,
reason (0: none). The slot comes first: the script below compares these four bytes."""

_VERDICTS = (Verdict.UNKNOWN, Verdict.UP, Verdict.DOWN)
_REASON_OF = dict(enumerate(REASON_CODES, start=1))
_CODE_OF = {reason: code for code, reason in _REASON_OF.items()}
_NEVER = b"\0\0\0\0"

_flip_encoder = msgspec.msgpack.Encoder()
_flip_decoder = msgspec.msgpack.Decoder(Flip)

# Stores each state only if the stored slot is still the one that the decision was based on, so
# that of two overlapping checks one decides and the other changes nothing. A website without a
# definition is deleted and gets no new state. Where it has a state the definition is not looked
# up, as both are deleted together. Returns 1 for each state that was stored, else 0.
_WRITE = """
local done = {}
for i = 1, #ARGV, 4 do
  local id, expected, state, flip = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local stored = redis.call('HGET', KEYS[1], id)
  local slot = stored and string.sub(stored, 1, 4) or '\\0\\0\\0\\0'
  if slot == expected and (stored or redis.call('HEXISTS', KEYS[3], id) == 1) then
    redis.call('HSET', KEYS[1], id, state)
    if flip ~= '' then redis.call('HSET', KEYS[2], id, flip) end
    done[#done + 1] = 1
  else
    done[#done + 1] = 0
  end
end
return done
"""

_CLEAR = """
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
"""


def _read_flip(region: str, value: bytes) -> Flip | None:
    try:
        return _flip_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.error("flip.unreadable", region=region, size=len(value), error=str(error))  # noqa: TRY400 - its trace says no more
        return None


class StateChange(Struct, frozen=True):
    """A state that replaces the one with ``before_slot_s``, and the flip, if it is one."""

    website_id: UUID
    before_slot_s: int
    state: RegionState
    flip: Flip | None


def pack(state: RegionState) -> bytes:
    return _LAYOUT.pack(
        state.slot_s,
        state.since_s,
        state.first_failure_s,
        -1.0 if state.response_ms is None else state.response_ms,
        state.status_code,
        state.failures,
        _VERDICTS.index(state.verdict),
        0 if state.reason is None else _CODE_OF[state.reason],
    )


def unpack(value: bytes) -> RegionState:
    slot, since, first, response, status, failures, verdict, reason = _LAYOUT.unpack(value)
    return RegionState(
        slot_s=slot,
        verdict=_VERDICTS[verdict],
        since_s=since,
        failures=failures,
        first_failure_s=first,
        reason=_REASON_OF.get(reason),
        status_code=status,
        response_ms=None if response < 0 else response,
    )


class States:
    """States, and flips that may not be recorded yet. Raises Unavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._write = redis.register_script(_WRITE)
        self._clear = redis.register_script(_CLEAR)

    async def write(self, region: str, changes: Sequence[StateChange]) -> list[StateChange]:
        """Store these states and flips atomically; returns those that were stored."""
        if not changes:
            return []
        args: list[bytes] = []
        for c in changes:
            expected = struct.pack(">I", c.before_slot_s) if c.before_slot_s else _NEVER
            flip = _flip_encoder.encode(c.flip) if c.flip else b""
            args += (c.website_id.bytes, expected, pack(c.state), flip)
        names = [keys.state(region), keys.flips(region), keys.DEFINITIONS]
        with translated():
            done = await self._write(keys=names, args=args)
        return [c for c, stored in zip(changes, done, strict=True) if stored]

    async def read(
        self, website_ids: Mapping[str, Sequence[UUID]]
    ) -> dict[tuple[str, UUID], RegionState]:
        """The states of these websites by region, as {(region, id): state}, where they exist."""
        by_region = {region: ids for region, ids in website_ids.items() if ids}
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for region, ids in by_region.items():
                    pipe.hmget(keys.state(region), [i.bytes for i in ids])
                responses = await pipe.execute()
        return {
            (region, website_id): unpack(value)
            for (region, ids), values in zip(by_region.items(), responses, strict=True)
            for website_id, value in zip(ids, values, strict=True)
            if value is not None
        }

    async def seed(self, region: str, states: Mapping[UUID, RegionState]) -> None:
        """Restore the states of websites that have none, after Redis lost them."""
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for website_id, state in states.items():
                    pipe.hsetnx(keys.state(region), website_id.bytes, pack(state))
                await pipe.execute()

    async def unrecorded(
        self, region: str, website_ids: Sequence[UUID] | None = None
    ) -> list[Flip]:
        """The flips of a region that may not be recorded yet, all or those of some websites.

        An unreadable flip is logged and left there: a newer version may have written it.
        """
        name = keys.flips(region)
        values: Sequence[object]
        with translated():
            if website_ids is None:
                values = await self._redis.hvals(name)
            else:
                values = await self._redis.hmget(name, [i.bytes for i in website_ids])
        flips = (_read_flip(region, raw(value)) for value in values if value is not None)
        return [flip for flip in flips if flip is not None]

    async def mark_recorded(self, flips: Iterable[Flip]) -> None:
        """Delete these flips, but not newer ones of the same websites."""
        by_region: dict[str, list[bytes]] = {}
        for flip in flips:
            args = by_region.setdefault(flip.region, [])
            args += (flip.website_id.bytes, _flip_encoder.encode(flip))
        with translated():
            for region, args in by_region.items():
                await self._clear(keys=[keys.flips(region)], args=args)
