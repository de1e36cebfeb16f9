"""asyncio.run for commands: Ctrl-C is never slept through."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

_SIGNALS_AT_ONCE = 4096


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run this in an event loop of its own. Raises KeyboardInterrupt on Ctrl-C.

    Python notes a signal and calls its handler when the main thread next runs Python code. One
    that comes after that thread has last looked and before it falls asleep in the loop's select,
    or that another thread gets, would be seen when something else wakes the loop: for an API that
    says nothing, in two minutes. Written to a socket that the loop reads, it wakes the loop.
    """

    async def watched() -> T:
        with _woken_by_signals():
            return await work

    return asyncio.run(watched())


@contextmanager
def _woken_by_signals() -> Iterator[None]:
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    with near, far:
        for end in (near, far):
            end.setblocking(False)
        loop.add_reader(near, near.recv, _SIGNALS_AT_ONCE)
        before = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(near)
