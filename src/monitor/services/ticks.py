"""Upkeep of the time series: roll-ups, retention, and ticks that had to wait."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from monitor.domain.series import HOUR_S
from monitor.logs import get_logger
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.ticks.contract import TickStore

log = get_logger(__name__)

_HOURS_AGAIN = 3
"""Roll-ups of this many past hours are made again each time: late ticks are counted so."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """What upkeep needs. ``now`` gives Unix seconds."""

    ticks: TickStore
    buffer: TickBuffer
    now: Callable[[], float]


async def roll_up(keeper: Keeper) -> int:
    """Roll up the last complete hours; returns how many roll-ups were written."""
    this_hour = int(keeper.now()) // HOUR_S * HOUR_S
    hours = [this_hour - HOUR_S * back for back in range(_HOURS_AGAIN, 0, -1)]
    written = sum([await keeper.ticks.roll_up(hour) for hour in hours])
    log.info("ticks.rolled_up", rollups=written)
    return written


async def prepare_and_expire(keeper: Keeper) -> None:
    """Make room for the coming days and drop what is past its retention."""
    await keeper.ticks.prepare()
    await keeper.ticks.expire(dt.datetime.fromtimestamp(keeper.now(), dt.UTC))


async def write_kept(keeper: Keeper) -> int:
    """Write the ticks that had to wait, oldest first; returns how many.

    Raises Unavailable where the store still refuses; what is left stays for the next time.
    """
    written = 0
    while (chunk := await keeper.buffer.oldest()) is not None:
        raw, ticks = chunk
        await keeper.ticks.write(ticks)
        await keeper.buffer.remove(raw)
        written += len(ticks)
    if written:
        log.info("ticks.written_late", ticks=written)
    return written
