"""Argon2id (RFC 9106) of passwords: a few at once, beside the event loop."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Struct

from monitor.domain.errors import Busy
from monitor.domain.passwords import MAX_LENGTH, normalised

T = TypeVar("T")

AT_ONCE = 2
MAX_WAITING = 40
"""The last of them waits about five seconds: what comes later would miss its deadline."""


class Argon2(Struct, frozen=True):
    """The cost of a hash; by default the second choice of RFC 9106, section 4, on one core: what
    takes all cores would slow everything else."""

    passes: int = 3
    memory_kib: int = 64 * 1024
    lanes: int = 1


class Hasher:
    """Hashes and verifies passwords, at most ``AT_ONCE`` at once. Close it in the end.

    The argon2 library releases the interpreter's lock while it works.
    """

    def __init__(self, cost: Argon2 | None = None, max_waiting: int = MAX_WAITING) -> None:
        cost = cost or Argon2()
        self._argon2 = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes
        )
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        self._places = threading.BoundedSemaphore(AT_ONCE + max_waiting)
        self._decoy: str | None = None

    def close(self) -> None:
        """Take nothing more; what was begun ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """The hash to store, with its parameters and salt. Raises Busy."""
        return await self._run(partial(self._argon2.hash, normalised(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether this is the password. Raises Busy.

        Without a stored hash it takes as much work, so that nobody can tell from the time.
        """
        if stored is None or len(password) > MAX_LENGTH:
            await self._run(partial(self._verify_decoy, password[:MAX_LENGTH]))
            return False
        return await self._run(partial(self._verify, stored, normalised(password)))

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with another cost than hashes are now."""
        return self._argon2.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._argon2.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def _verify_decoy(self, password: str) -> None:
        if self._decoy is None:
            self._decoy = self._argon2.hash(secrets.token_urlsafe())
        self._verify(self._decoy, normalised(password))

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise Busy("Too many people sign in at once; try again in a few seconds.")
        future = self._threads.submit(work)
        # Not when nobody waits for it any more: a thread is free when its work is done.
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)
