"""asyncio.run for commands that never misses Ctrl-C."""

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
    """Run this in a new event loop. Raises KeyboardInterrupt on Ctrl-C.

    Python notes a signal and calls its handler when the main thread next runs Python code. A signal
    that arrives just before that thread sleeps in the loop's select, or in another thread, would
    only be handled when something else wakes the loop: with a silent API, after two minutes.
    Written to a socket that the loop reads, it wakes the loop.
    """

    async def main() -> T:
        with _woken_by_signals():
            return await work

    return asyncio.run(main())


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
