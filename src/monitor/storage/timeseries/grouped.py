"""Writes the ticks of several batches in one request: a line costs InfluxDB half as much among
5,000 as among 500.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from monitor.domain.outcome import Tick

Write = Callable[[Sequence[Tick]], Awaitable[None]]

MAX_TICKS = 5000
LINGER_S = 0.3
"""How long a group waits for more ticks. It delays the results of a batch, so it is well below the
two seconds from a check to its e-mail."""


class GroupedWrites:
    """Passes ticks to ``write`` in groups: ``LINGER_S`` after the first of a group, or once there
    are ``MAX_TICKS``. Every caller waits for its group and gets its group's error.
    """

    def __init__(self, write: Write, linger_s: float = LINGER_S) -> None:
        self._write = write
        self._linger_s = linger_s
        self._group: _Group | None = None
        self._writing: set[asyncio.Task[None]] = set()

    async def write(self, ticks: Sequence[Tick]) -> None:
        """Return once these ticks are stored. Raises what ``write`` raises.

        The ticks of a caller that is cancelled may be stored nevertheless.
        """
        group = self._group
        if group is None:
            group = self._group = _Group(asyncio.get_running_loop())
            group.timer = group.loop.call_later(self._linger_s, self._flush, group)
        group.ticks += ticks
        if len(group.ticks) >= MAX_TICKS:
            self._flush(group)
        await asyncio.shield(group.stored)

    def _flush(self, group: _Group) -> None:
        if self._group is not group:
            return
        self._group = None
        assert group.timer is not None
        group.timer.cancel()
        task = group.loop.create_task(self._store(group))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _store(self, group: _Group) -> None:
        try:
            await self._write(group.ticks)
        except Exception as error:  # noqa: BLE001 # raised in the callers
            group.stored.set_exception(error)
            group.stored.exception()  # mark as retrieved, even if all callers are gone
        except asyncio.CancelledError:
            group.stored.cancel()
            raise
        else:
            group.stored.set_result(None)

    async def close(self) -> None:
        """Write pending ticks and wait for all writes. Errors are raised in their callers."""
        if self._group is not None:
            self._flush(self._group)
        await asyncio.gather(*self._writing)


class _Group:
    """Ticks that are written together. ``stored`` is done once they are."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.ticks: list[Tick] = []
        self.stored: asyncio.Future[None] = loop.create_future()
        self.timer: asyncio.TimerHandle | None = None
