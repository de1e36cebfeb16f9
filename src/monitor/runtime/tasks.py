"""Ending asyncio's tasks for good."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_AFTER_S = 1.0
"""Long enough for a task to put away what it held."""


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until all have ended; what they raise is of no interest any more.

    Once may not be enough: before Python 3.12 ``asyncio.wait_for`` swallows a cancellation that
    comes in the very step in which what it waits for ends, and redis-py sends each command through
    it. A loop that was cancelled just then goes on, and whoever waits for its end waits for ever.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_AFTER_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # or asyncio would complain that nobody asked
