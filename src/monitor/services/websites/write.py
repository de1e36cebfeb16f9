"""The one way that websites are written: planned on top of what is stored, encrypted, stored.

A single call is a plan of one line; an import is a plan a chunk.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar
from uuid import UUID

from msgspec.structs import replace

from monitor.domain.errors import Unavailable
from monitor.domain.ids import uuid7
from monitor.resources.write_plan import (
    Existing,
    Line,
    Plan,
    Planner,
    keys_of,
    regions_of,
)
from monitor.runtime.event_loop import yield_to_loop
from monitor.services.secrets.vault import Vault
from monitor.storage.postgres import regions, websites
from monitor.storage.postgres.pool import Connection
from monitor.storage.postgres.websites import ConcurrentUpdate

_TRIES = 10

T = TypeVar("T")
Overlay = Callable[[list[Existing], list[UUID], list[str]], Awaitable[list[Existing]]]
"""Replaces stored websites, of these ids and external ids, by what a dry run made of them."""


async def retried(attempt: Callable[[], Awaitable[T]]) -> T:
    """The result of a transaction that is begun again where others changed the same websites.

    Raises Unavailable where that happens again and again.
    """
    for _ in range(_TRIES):
        try:
            return await attempt()
        except ConcurrentUpdate:
            continue
    raise Unavailable("postgres", f"the same websites were changed by others {_TRIES} times")


async def plan(
    connection: Connection,
    vault: Vault,
    lines: Sequence[Line],
    now_s: float,
    *,
    upsert: bool = True,
    overlay: Overlay | None = None,
) -> tuple[Plan, list[Existing]]:
    """What to write for these lines, secrets encrypted, and the websites it stands on.

    Raises SecretsUnreadable where secrets are sent and those stored cannot be read; any other
    field can be changed even then.
    """
    ids, names = keys_of(lines)
    region_names = await regions.existing(connection, regions_of(lines))
    any_region = bool(region_names) or await regions.any_exists(connection)
    existing = await websites.existing(connection, ids, names)
    if overlay is not None:
        existing = await overlay(existing, ids, names)
    planner = Planner(
        existing,
        region_names,
        new_ids(now_s, len(lines)),
        any_region=any_region,
        upsert=upsert,
        decrypt=vault.decrypted,
    )
    processed = [planner.add(line) async for line in yield_to_loop(iter(lines))]
    return await _encrypted(vault, planner.plan(processed)), existing


async def _encrypted(vault: Vault, planned: Plan) -> Plan:
    new = [
        replace(n, stored=vault.encrypt(n.draft)) async for n in yield_to_loop(iter(planned.new))
    ]
    changed = [
        replace(c, stored=vault.encrypt(c.new)) async for c in yield_to_loop(iter(planned.changed))
    ]
    return Plan(planned.lines, new, changed)


def new_ids(now_s: float, count: int) -> Iterator[UUID]:
    """Ids in the order of the lines: the 12 bits after the time count them (RFC 9562, 6.2)."""
    now_ms = int(now_s * 1000)
    noise = os.urandom(8 * count)
    for n in range(count):
        yield uuid7(now_ms, (n & 0xFFF).to_bytes(2, "big") + noise[8 * n : 8 * n + 8])
