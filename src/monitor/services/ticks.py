"""Upkeep of the time series: roll-ups, retention, and ticks that had to wait."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitor.domain.outcome import Tick
from monitor.domain.series import DAY_S, HOUR_S
from monitor.logs import get_logger
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.ticks.contract import TickStore

log = get_logger(__name__)

_AGAIN_S = 3 * HOUR_S
"""Roll-ups of these past hours are made again each time: late ticks are counted so."""

_AT_MOST_BACK_S = 30 * DAY_S
"""Hours before that are not rolled up any more: their raw ticks may be gone in part."""

_AT_FIRST_BACK_S = DAY_S
"""Where there is no roll-up yet, those of this long are made."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """What upkeep needs. ``now`` gives Unix seconds."""

    ticks: TickStore
    buffer: TickBuffer
    now: Callable[[], float]


async def roll_up(keeper: Keeper) -> int:
    """Roll up the hours that are over, from the last one rolled up; returns how many roll-ups.

    At least the last three hours, at most those of 30 days. The oldest go first: what fails in
    the middle goes on from there the next time. Hours without ticks leave no roll-up, so an
    installation that idles asks for them again each time, which finds nothing.
    """
    hours = range(await _first_hour(keeper), _this_hour(keeper), HOUR_S)
    written = sum([await keeper.ticks.roll_up(hour) for hour in hours])
    log.info("ticks.rolled_up", hours=len(hours), rollups=written)
    return written


async def _first_hour(keeper: Keeper) -> int:
    """Where the next roll-up begins."""
    this_hour = _this_hour(keeper)
    last = await keeper.ticks.last_rolled_up()
    since = this_hour - _AT_FIRST_BACK_S if last is None else last
    return max(min(since, this_hour - _AGAIN_S), this_hour - _AT_MOST_BACK_S)


def _this_hour(keeper: Keeper) -> int:
    return int(keeper.now()) // HOUR_S * HOUR_S


async def prepare_and_expire(keeper: Keeper) -> None:
    """Make room for the coming days and drop what is past its retention."""
    await keeper.ticks.prepare()
    await keeper.ticks.expire(dt.datetime.fromtimestamp(keeper.now(), dt.UTC))


async def write_kept(keeper: Keeper) -> int:
    """Write the ticks that had to wait, oldest first; returns how many.

    Hours that ``roll_up`` is done with and that got some of them are rolled up again. Raises
    Unavailable where the store still refuses; what is left stays for the next time.
    """
    written, rolled_up_before = 0, None
    while (chunk := await keeper.buffer.oldest()) is not None:
        raw, ticks = chunk
        if rolled_up_before is None:
            rolled_up_before = await _first_hour(keeper)
        await keeper.ticks.write(ticks)
        # Noted before the chunk goes: whoever dies between the two does it once more.
        await keeper.buffer.note_late(_late_hours(keeper, ticks, rolled_up_before))
        await keeper.buffer.remove(raw)
        written += len(ticks)
    await _roll_up_again(keeper)
    if written:
        log.info("ticks.written_late", ticks=written)
    return written


def _late_hours(keeper: Keeper, ticks: Sequence[Tick], before_s: int) -> set[int]:
    hours = {tick.slot_s // HOUR_S * HOUR_S for tick in ticks}
    since = _this_hour(keeper) - _AT_MOST_BACK_S
    # From ``before_s`` on is roll_up's: a later roll-up must not hide hours without one.
    return {hour for hour in hours if since <= hour < before_s}


async def _roll_up_again(keeper: Keeper) -> None:
    for hour in await keeper.buffer.late_hours():
        written = await keeper.ticks.roll_up(hour)
        await keeper.buffer.forget_late(hour)
        log.info("ticks.rolled_up_again", hour_s=hour, rollups=written)
