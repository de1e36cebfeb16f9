"""What a request is waiting for: known once it is cut short, so that the answer can name it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec import Struct


class CutShort(Struct, frozen=True):
    """A wait for a store that was cancelled at ``at_s`` (seconds of the event loop's clock)."""

    store: str
    at_s: float


class Waits(Struct):
    """The waits of a request that were cut short, the innermost first.

    ``may_be_stored``: a transaction was to be committed, and was, or its end was not waited for.
    ``on_commit`` is called before each.
    """

    cut_short: list[CutShort] = []
    may_be_stored: bool = False
    on_commit: Callable[[], None] | None = None

    def since(self, at_s: float) -> list[str]:
        """The stores of those that were cut short since then."""
        return list(dict.fromkeys(c.store for c in self.cut_short if c.at_s >= at_s))


_waits: ContextVar[Waits | None] = ContextVar("waits", default=None)


@contextmanager
def noted() -> Iterator[Waits]:
    """Note what is waited for in a block."""
    waits = Waits()
    token = _waits.set(waits)
    try:
        yield waits
    finally:
        _waits.reset(token)


def note_cut_short(store: str) -> None:
    """Note that a wait for a store was cancelled just now."""
    waits = _waits.get()
    if waits is not None:
        waits.cut_short.append(CutShort(store, asyncio.get_running_loop().time()))


def note_commit() -> None:
    """Note that a transaction is about to be committed."""
    waits = _waits.get()
    if waits is not None:
        waits.may_be_stored = True
        if waits.on_commit is not None:
            waits.on_commit()


@contextmanager
def waiting_for(store: str) -> Iterator[None]:
    """A block that waits for a store; noted if it is cancelled."""
    try:
        yield
    except asyncio.CancelledError:
        note_cut_short(store)
        raise
