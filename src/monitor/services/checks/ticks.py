"""Upkeep of ticks: their retention, and those that were buffered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitor.domain.outcome import Tick
from monitor.domain.series import HOUR_S
from monitor.runtime.logging import get_logger
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries.contract import TickStore

log = get_logger(__name__)

LATE_S = 120
"""A tick written this long after the end of its hour may have missed the hour's roll-up."""


@dataclass(frozen=True, slots=True)
class TickUpkeep:
    """``now`` returns Unix seconds."""

    ticks: TickStore
    buffer: TickBuffer
    now: Callable[[], float]

    async def prepare_and_expire(self) -> None:
        """Create the partitions of the coming days and drop ticks beyond their retention."""
        await self.ticks.prepare()
        await self.ticks.expire(dt.datetime.fromtimestamp(self.now(), dt.UTC))

    async def write_buffered(self) -> int:
        """Write the buffered ticks, oldest first; returns how many.

        Their hours may already be rolled up: those are noted, and rolled up again. Raises
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
