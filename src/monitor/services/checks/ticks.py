"""Upkeep of the time series: roll-ups, retention, and ticks that had to wait."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from monitor.domain.outcome import Tick
from monitor.domain.series import DAY_S, HOUR_S
from monitor.runtime.logging import get_logger
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries.contract import TickStore

log = get_logger(__name__)

LATE_S = 120
"""A tick written so long after the end of its hour may have missed that hour's roll-up."""

SETTLED_S = LATE_S + 60
"""No hour is rolled up sooner after its end. What is written later is late, also by a clock that is
a minute off."""

_AT_MOST_BACK_S = 30 * DAY_S
"""Hours before that are not rolled up any more: their raw ticks may be gone in part."""

_AT_FIRST_BACK_S = DAY_S
"""Where there is no roll-up yet, those of this long are made."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """What upkeep needs. ``now`` gives Unix seconds. ``at_it``: held by whoever rolls up."""

    ticks: TickStore
    buffer: TickBuffer
    now: Callable[[], float]
    at_it: asyncio.Lock = field(default_factory=asyncio.Lock)


async def roll_up(keeper: Keeper) -> int:
    """Roll up the hours that are over and not done yet; returns how many roll-ups.

    Usually that is one, and it is never more than those of 30 days. The oldest go first, and each
    is noted: whoever is interrupted goes on there the next time. Then come the hours that got
    ticks after they were done. Where the last turn is still at it, it takes the new hour, too.
    """
    if keeper.at_it.locked():
        log.info("ticks.still_rolling_up")
        return 0
    async with keeper.at_it:
        return await _roll_up(keeper)


async def _roll_up(keeper: Keeper) -> int:
    first = await _first_hour(keeper)
    # Takes back what a clock that was ahead has noted.
    await keeper.buffer.note_rolled_up(first - HOUR_S)
    late = await keeper.buffer.late_hours()
    hour, written = await _roll_up_new(keeper, first)
    for late_hour, count in late.items():
        if hour - _AT_MOST_BACK_S <= late_hour < first:
            written += await keeper.ticks.roll_up(late_hour)
        await keeper.buffer.forget_late(late_hour, count)
        hour, more = await _roll_up_new(keeper, hour)
        written += more
    hours = (hour - first) // HOUR_S
    log.info("ticks.rolled_up", hours=hours, late_hours=len(late), rollups=written)
    return written


async def _roll_up_new(keeper: Keeper, hour: int) -> tuple[int, int]:
    """From this hour on those that are over; returns the next hour, and how many roll-ups."""
    written = 0
    while hour < _settled(keeper):
        written += await keeper.ticks.roll_up(hour)
        await keeper.buffer.note_rolled_up(hour)
        hour += HOUR_S
    return hour, written


async def _first_hour(keeper: Keeper) -> int:
    """Where the next roll-up begins: after the last one that was completed.

    Where Redis has forgotten which that was, at the latest hour that has any roll-up: it may
    lack those of some websites. Where there is none, a day back.
    """
    settled = _settled(keeper)
    done = await keeper.buffer.rolled_up()
    if done is not None:
        since = done + HOUR_S
    else:
        last = await keeper.ticks.last_rolled_up()
        since = settled - _AT_FIRST_BACK_S if last is None else last
    return max(min(since, settled), settled - _AT_MOST_BACK_S)


def _settled(keeper: Keeper) -> int:
    """The end of the last hour that is over."""
    return int(keeper.now() - SETTLED_S) // HOUR_S * HOUR_S


async def prepare_and_expire(keeper: Keeper) -> None:
    """Make room for the coming days and drop what is past its retention."""
    await keeper.ticks.prepare()
    await keeper.ticks.expire(dt.datetime.fromtimestamp(keeper.now(), dt.UTC))


async def write_kept(keeper: Keeper) -> int:
    """Write the ticks that had to wait, oldest first; returns how many.

    Hours of theirs that may be rolled up already are noted, and made again by ``roll_up``. Raises
    Unavailable where the store still refuses; what is left stays for the next time.
    """
    written = 0
    while (chunk := await keeper.buffer.oldest()) is not None:
        raw, ticks = chunk
        await keeper.ticks.write(ticks)
        # Noted before the chunk goes: whoever dies between the two does it once more.
        if late := late_hours(ticks, keeper.now()):
            await keeper.buffer.note_late(late)
        await keeper.buffer.remove(raw)
        written += len(ticks)
    if written:
        log.info("ticks.written_late", ticks=written)
    return written


def late_hours(ticks: Sequence[Tick], now_s: float) -> set[int]:
    """The hours of these ticks, written just now, that may have been rolled up before."""
    hours = {tick.slot_s // HOUR_S * HOUR_S for tick in ticks}
    return {hour for hour in hours if hour + HOUR_S + LATE_S < now_s}
