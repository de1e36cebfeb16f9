"""asyncio.run for commands: Ctrl-C always wakes the event loop."""

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
    """Run a coroutine in an event loop of its own. Raises KeyboardInterrupt on Ctrl-C.

    Python runs a signal's handler when the main thread next runs Python code. A signal that comes
    just before that thread sleeps in the loop's select, or that another thread receives, would
    wait until something else wakes the loop: two minutes, if the API is silent. Written to a
    socket that the loop reads, the signal wakes the loop.
    """

    async def wakeable() -> T:
        with _woken_by_signals():
            return await work

    return asyncio.run(wakeable())


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
