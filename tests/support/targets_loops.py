"""The loops that coroutine tests run on: asyncio's own, and where a loop matters uvloop as well."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest
import uvloop

LIMIT_S = 300.0
"""How long a coroutine test may take, unless its mark ``limit_s`` says otherwise."""

COMPLAINTS: list[list[dict[str, Any]]] = []
"""What each loop of the test was told about and nobody handled. What is found of a loop later, when
its last objects are collected, is no fault of the test that runs then."""

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
Test = Callable[..., Coroutine[Any, Any, None]]


def _complaining(factory: LoopFactory) -> LoopFactory:
    def new_loop() -> asyncio.AbstractEventLoop:
        loop = factory()
        heard: list[dict[str, Any]] = []
        COMPLAINTS.append(heard)
        loop.set_exception_handler(lambda _, context: heard.append(context))
        return loop

    return new_loop


_FACTORIES = {
    "asyncio": _complaining(asyncio.new_event_loop),
    "uvloop": _complaining(uvloop.new_event_loop),
}


def loop_factories(item: pytest.Item) -> Mapping[str, LoopFactory]:
    """The loops to choose from where a mark does, those of the test's module among them."""
    mark = item.get_closest_marker("asyncio")
    if mark is None or "loop_factories" not in mark.kwargs:
        return {"asyncio": asyncio.new_event_loop}
    return _FACTORIES | getattr(item.module, "LOOP_FACTORIES", {})  # type: ignore[attr-defined]


def on_both_loops(test: Test) -> Test:
    """Run a test once on each kind of loop, within 2 minutes: some take 20 s on a busy machine.

    What a loop is told about and nobody handled fails the test.
    """
    return pytest.mark.asyncio(loop_factories=list(_FACTORIES))(pytest.mark.limit_s(120)(test))


def limited(test: Test, limit_s: float) -> Test:
    """A test that is given up when its time is over."""

    @functools.wraps(test)
    async def run(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(limit_s):
            await test(*args, **kwargs)

    return run
