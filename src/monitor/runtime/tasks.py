"""asyncio tasks that go on whatever fails, and ending them for good."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, overload

from structlog.stdlib import BoundLogger

from monitor.domain.errors import Unavailable

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
_Of = Coroutine[Any, Any, A]

_CANCEL_AGAIN_AFTER_S = 1.0
"""Long enough for a task to clean up."""


class ErrorLog:
    """Logs what fails in work that must go on.

    ``failed`` is logged with the traceback; ``unavailable`` in one line if a store is unavailable,
    at ``level``, and with ``once`` only the first time until the work succeeds again.
    """

    def __init__(
        self,
        log: BoundLogger,
        *,
        failed: str,
        unavailable: str,
        level: int = logging.WARNING,
        once: bool = False,
    ) -> None:
        self._log = log
        self._failed, self._unavailable = failed, unavailable
        self._level, self._once = level, once
        self._logged = False

    @contextmanager
    def logged(self, **details: Any) -> Iterator[None]:
        """Log an exception of the block, with these details, instead of raising it."""
        try:
            yield
        except Unavailable as error:
            if not (self._once and self._logged):
                self._log.log(self._level, self._unavailable, error=str(error), **details)
            self._logged = True
        except Exception:  # noqa: BLE001 - it is logged whole
            self._log.exception(self._failed, **details)
        else:
            self._logged = False


async def run_forever(
    step: Callable[[], Awaitable[None]],
    errors: ErrorLog,
    *,
    pause_s: float = 0.0,
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Repeat a step, ``pause_s`` apart, until cancelled; its errors are logged and do not end it.

    It also ends before a step if ``until`` is true then.
    """
    while not until():
        with errors.logged():
            await step()
        await asyncio.sleep(pause_s)


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until all have ended; what they raise is ignored.

    Once may not be enough: before Python 3.12 ``asyncio.wait_for`` swallows a cancellation that
    comes in the very step in which what it waits for ends, and redis-py sends each command through
    it. A loop that was cancelled just then would go on, and its owner would wait for ever.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_AFTER_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # or asyncio would complain that nobody asked


@overload
async def gather(one: _Of[A], two: _Of[B], /) -> tuple[A, B]: ...


@overload
async def gather(one: _Of[A], two: _Of[B], three: _Of[C], /) -> tuple[A, B, C]: ...


@overload
async def gather(one: _Of[A], two: _Of[B], three: _Of[C], four: _Of[D], /) -> tuple[A, B, C, D]: ...


@overload
async def gather(*all_of: _Of[A]) -> tuple[A, ...]: ...


async def gather(*all_of: _Of[Any]) -> tuple[Any, ...]:
    """The results of all of these, in their order, made at the same time.

    Raises the first error, and then none goes on: ``asyncio.gather`` would let the others load a
    store with questions whose answers nobody reads.
    """
    running = [asyncio.create_task(coroutine) for coroutine in all_of]
    try:
        return tuple(await asyncio.gather(*running))
    finally:
        await end(*running)
