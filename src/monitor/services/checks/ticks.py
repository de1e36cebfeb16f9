"""Upkeep of the time series: roll-ups, retention, and buffered ticks."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from monitor.domain.outcome import Tick
from monitor.domain.series import DAY_S, HOUR_S
from monitor.runtime.logging import get_logger
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries.contract import TickStore

log = get_logger(__name__)

LATE_S = 120
"""A tick written this long after the end of its hour may have missed the hour's roll-up."""

SETTLED_S = LATE_S + 60
"""How long after its end an hour is rolled up. Ticks written later are late, even by a clock that
is a minute off."""

_MAX_BACK_S = 30 * DAY_S
"""Older hours are no longer rolled up: some of their raw ticks may be gone."""

_INITIAL_BACK_S = DAY_S
"""How far back roll-ups start where there is none yet."""


async def _mend_nothing(_hour_s: int) -> None:
    """Where nothing is made of roll-ups."""


@dataclass(frozen=True, slots=True)
class TickUpkeep:
    """``now`` returns Unix seconds. ``mend`` is called with each hour that is rolled up again, to
    correct what was made of it. ``rolling_up`` is held by the running roll-up."""

    ticks: TickStore
    buffer: TickBuffer
    now: Callable[[], float]
    mend: Callable[[int], Awaitable[None]] = _mend_nothing
    rolling_up: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def roll_up(self) -> int:
        """Roll up the hours that are over and not done yet; returns the number of roll-ups.

        Usually that is one hour, and never more than 30 days of them. The oldest come first and
        each is noted, so that an interrupted run continues there. Hours that got ticks after
        their roll-up follow. If the previous run is still going, it takes the new hour too.
        """
        if self.rolling_up.locked():
            log.info("ticks.still_rolling_up")
            return 0
        async with self.rolling_up:
            return await self._roll_up()

    async def _roll_up(self) -> int:
        first = await self._first_hour()
        # Takes back what a clock that was ahead noted.
        await self.buffer.note_rolled_up(first - HOUR_S)
        late = await self.buffer.late_hours()
        hour, written = await self._roll_up_new(first)
        for late_hour, count in late.items():
            if hour - _MAX_BACK_S <= late_hour < first:
                written += await self.ticks.roll_up(late_hour)
                await self.mend(late_hour)
            await self.buffer.forget_late(late_hour, count)
            hour, more = await self._roll_up_new(hour)
            written += more
        hours = (hour - first) // HOUR_S
        log.info("ticks.rolled_up", hours=hours, late_hours=len(late), rollups=written)
        return written

    async def _roll_up_new(self, hour: int) -> tuple[int, int]:
        """Roll up from this hour to the last one that is over.

        Returns the next hour and the number of roll-ups.
        """
        written = 0
        while hour < self._settled():
            written += await self.ticks.roll_up(hour)
            await self.buffer.note_rolled_up(hour)
            hour += HOUR_S
        return hour, written

    async def _first_hour(self) -> int:
        """The hour to start with: the one after the last completed roll-up.

        Where Redis has lost that, the latest hour with any roll-up, as some websites' may be
        missing. Where there is no roll-up at all, a day back.
        """
        settled = self._settled()
        done = await self.buffer.rolled_up()
        if done is not None:
            since = done + HOUR_S
        else:
            last = await self.ticks.last_rolled_up()
            since = settled - _INITIAL_BACK_S if last is None else last
        return max(min(since, settled), settled - _MAX_BACK_S)

    def _settled(self) -> int:
        """The end of the last hour that is over."""
        return int(self.now() - SETTLED_S) // HOUR_S * HOUR_S

    async def prepare_and_expire(self) -> None:
        """Create the partitions of the coming days and drop ticks beyond their retention."""
        await self.ticks.prepare()
        await self.ticks.expire(dt.datetime.fromtimestamp(self.now(), dt.UTC))

    async def write_buffered(self) -> int:
        """Write the buffered ticks, oldest first; returns how many.

        Their hours may already be rolled up: those are noted, and ``roll_up`` repeats them. Raises
        Unavailable if the store still refuses; the rest stays buffered.
        """
        written = 0
        while (chunk := await self.buffer.oldest()) is not None:
            raw, ticks = chunk
            await self.ticks.write(ticks)
            # Noted before the chunk is removed: a crash in between only repeats the write.
            if late := late_hours(ticks, self.now()):
                await self.buffer.note_late(late)
            await self.buffer.remove(raw)
            written += len(ticks)
        if written:
            log.info("ticks.written_late", ticks=written)
        return written


def late_hours(ticks: Sequence[Tick], now_s: float) -> set[int]:
    """The hours of these ticks, written just now, that may already have been rolled up."""
    hours = {tick.slot_s // HOUR_S * HOUR_S for tick in ticks}
    return {hour for hour in hours if hour + HOUR_S + LATE_S < now_s}
