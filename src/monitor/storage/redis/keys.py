"""The names of all keys. A few hashes and sorted sets, never a key per website.

| key | type | field or member | value |
|---|---|---|---|
| monitor:definitions | hash | website id (16 bytes) | msgpack, see projection.py |
| monitor:rings | set | region:interval_s | |
| monitor:ring:REGION:INTERVAL | sorted set | website id (16 bytes), scored by ring position | |
| monitor:state:REGION | hash | website id (16 bytes) | packed, see states.py |
| monitor:flips:REGION | hash | website id (16 bytes) | msgpack Flip that may not be recorded yet |
| monitor:regions | hash | region | msgpack, the report of the region |
| monitor:workers | hash | worker process | msgpack, the report of the process |
| monitor:processes | hash | any other process | msgpack, what it is, see processes.py |
| monitor:counters | hash | name:REGION | count |
| monitor:ticks | list | | msgpack chunks of ticks that the tick store refused |
| monitor:ticks:bytes | string | | their size |
| monitor:ticks:late_hours | hash | Unix seconds | count: ticks arrived after its roll-up |
| monitor:ticks:rolled_up | string | | Unix seconds: the latest hour whose roll-up was completed |
| monitor:emitted:REGION:INTERVAL:MINUTE | string, expires | | that minute's batches are queued |
| monitor:given_out | string | | Unix seconds: the latest minute whose batches were dispatched |
| monitor:standings:swept | string | | Unix seconds: websites due until then were looked at |
| monitor:rate:KEY | string, expires | | Unix seconds: theoretical arrival time (GCRA) |
| monitor:marker | string | | the run of the Redis server that the projection was built on |
"""

from __future__ import annotations

from monitor.domain.ring import Ring

DEFINITIONS = "monitor:definitions"
RINGS = "monitor:rings"
REGIONS = "monitor:regions"
WORKERS = "monitor:workers"
PROCESSES = "monitor:processes"
COUNTERS = "monitor:counters"
MARKER = "monitor:marker"
LAST_DISPATCHED = "monitor:given_out"
TICK_BUFFER = "monitor:ticks"
TICK_BUFFER_BYTES = "monitor:ticks:bytes"
LATE_HOURS = "monitor:ticks:late_hours"
ROLLED_UP = "monitor:ticks:rolled_up"
STANDINGS_SWEPT = "monitor:standings:swept"


RING_PREFIX = "monitor:ring:"


def ring(of: Ring) -> str:
    return f"{RING_PREFIX}{of.region}:{of.interval_s}"


def state(region: str) -> str:
    return f"monitor:state:{region}"


def flips(region: str) -> str:
    return f"monitor:flips:{region}"


def rate(name: str) -> str:
    return f"monitor:rate:{name}"


def emitted(of: Ring, minute_s: int) -> str:
    return f"monitor:emitted:{of.region}:{of.interval_s}:{minute_s}"
