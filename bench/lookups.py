"""What looking a name up costs: half a minute.

    python -m bench.lookups

Two thousand names, ten at a time, at a DNS server of the bench's own: once through c-ares alone,
once with the stub resolver before it, in turn. User and system time of this process, microseconds
a look-up.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import uvloop

from monitor.local import process
from monitor.probes.net.resolver import Resolver

from . import names, targets

_AT_ONCE, _EACH, _ROUNDS = 10, 200, 3


async def cost_us(server: str, *, stub: bool) -> float:
    """Of one look-up, once everything is warm."""
    resolver, numbers = Resolver([server]), count()
    if not stub:
        resolver._stub.close()
    try:
        await _until_there(resolver)
        await _look_up(resolver, numbers)
        began_s = time.process_time()
        await _look_up(resolver, numbers)
        return (time.process_time() - began_s) / (_AT_ONCE * _EACH) * 1e6
    finally:
        await resolver.close()


async def _until_there(resolver: Resolver) -> None:
    """A foreign process tells of its readiness only when asked."""
    async with asyncio.timeout(10):
        while await resolver.lookup_first(names.host(0, "a0")) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _look_up(resolver: Resolver, numbers: Iterator[int]) -> None:
    async def some() -> None:
        for _ in range(_EACH):
            host = names.host(next(numbers), "a0")
            if await resolver.lookup_first(host) is None:
                raise RuntimeError(f"{host} was not found.")

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))


@contextmanager
def _server() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory:
        served = names.start(Path(directory), targets.ADDRESSES)
        try:
            yield served.address
        finally:
            process.stop(served.child, within_s=5.0)


def main() -> None:
    with _server() as server:
        for _ in range(_ROUNDS):
            alone = uvloop.run(cost_us(server, stub=False))
            first = uvloop.run(cost_us(server, stub=True))
            print(
                f"c-ares alone {alone:.0f} us, the stub resolver first {first:.0f} us", flush=True
            )


if __name__ == "__main__":
    main()
