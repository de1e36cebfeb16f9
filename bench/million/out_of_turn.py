"""Checks out of turn: the messages by which new websites are checked at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from uuid import UUID

import psycopg
import redis
from bench.stack import Stack
from bench.watch import Watch, say

from monitor.domain import messages
from monitor.domain.ids import ring_position
from monitor.domain.messages import CheckWebsites
from monitor.queue.broker import Broker
from monitor.storage.redis import keys

_IN_ONE_MESSAGE = 500
_AT_A_TIME = 20_000
"""More would wait for so long that they were left to their slots."""
_TOLD_EVERY = 5 * _AT_A_TIME
_WITHIN_S = 120.0


def check_at(stack: Stack, ids: Sequence[UUID], slot_s: int) -> None:
    """Ask the region's workers to check these websites."""
    region, remaining = stack.options.regions[0], iter(ids)
    outgoing = []
    while part := list(islice(remaining, _IN_ONE_MESSAGE)):
        message = CheckWebsites(region=region, website_ids=part, slot_ms=slot_s * 1000)
        outgoing.append(messages.check_websites(message))
    Broker(stack.redis_url).send(outgoing)


def check_all_once(watch: Watch) -> None:
    """Every website is checked once, and has a state and a tick: in the order in which its slots
    would do it, so that what belongs together lies together. Raises TimeoutError."""
    stack = watch.stack
    with psycopg.connect(stack.database_url) as connection:
        found = connection.execute("SELECT id FROM websites").fetchall()
    ids = sorted((row[0] for row in found), key=ring_position)
    with redis.Redis.from_url(stack.redis_url) as client:
        name = keys.state(stack.options.regions[0])
        for begin in range(0, len(ids), _AT_A_TIME):
            if begin % _TOLD_EVERY == 0:
                say(f"{begin} of {len(ids)} websites are checked once")
            part = ids[begin : begin + _AT_A_TIME]
            check_at(stack, part, int(time.time()))
            packed = [i.bytes for i in part]
            watch.wait_for(
                lambda packed=packed: None not in client.hmget(name, packed),  # type: ignore[misc]
                f"each of {len(ids)} websites is checked once",
                within_s=_WITHIN_S,
            )
