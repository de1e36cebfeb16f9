"""Ticks in InfluxDB 1.x, 2.x (2.5 on) or 3 Core.

| database or bucket | measurement | tags | fields |
|---|---|---|---|
| BUCKET | website_ticks | website_id, region | up 0 or 1, status_code, response_ms with a response, reason when down, dns_ms, connect_ms, tls_ms and wait_ms where they happened, transfer_ms where it is not the rest of response_ms, out_of_turn 1 where it fills no slot, address when down, began_ms (Unix) where it began late |
| BUCKET_hourly | website_ticks_hourly | website_id, region | checks, up, measured, mean_ms, p95_ms, max_ms, out_of_turn unless 0 |

Two databases, because retention is set per database and roll-ups are kept longer. In 1.x
``prepare`` creates both; in 2.x and 3 the operator creates them and sets their retention.

Every field costs the server as much as any other, so fields that can be derived are not
written (docs/adr/0019-influxdb-stores-fewer-fields-in-bounded-memory.md).

A point that is written again replaces only the fields it has. So a slot with a response in its
first run and none in a second keeps the response time and the phases of the first.
"""  # noqa: E501 - a table

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TypeVar
from uuid import UUID

from monitor.domain.errors import SettingsError, Unavailable
from monitor.domain.outcome import Tick
from monitor.domain.series import Bucket
from monitor.runtime.logging import get_logger
from monitor.storage.timeseries import influxql, line_protocol
from monitor.storage.timeseries.contract import ChecksQuery, KeptDays
from monitor.storage.timeseries.influxdb_http import (
    DatabaseMissing,
    InfluxHttp,
    PartialWrite,
    Rejected,
    TooLarge,
)
from monitor.storage.timeseries.influxql import identifier
from monitor.storage.timeseries.throttle import Throttle
from monitor.storage.timeseries.totals import Totals

LINES_PER_WRITE = 5000
_PARTS = "0123456789abcdef"
"""A roll-up reads one sixteenth of the websites at a time, by the last digit of their id: InfluxDB
1.x holds some kB for every series of a query until it has answered."""
_RECENT_DAYS = 2
"""The latest roll-up is searched here first, which opens few of the server's files."""

_log = get_logger(__name__)
T = TypeVar("T")


class InfluxTicks:
    """A ``contract.TickStore`` on an InfluxDB server."""

    def __init__(
        self,
        http: InfluxHttp,
        bucket: str,
        *,
        raw_days: int,
        rollup_days: int,
        throttle: Callable[[], Throttle] = Throttle,
    ) -> None:
        """``throttle``: creates the throttle of a roll-up."""
        self._http = http
        self._throttle = throttle
        self._raw = bucket
        self._hourly = f"{bucket}_hourly"
        self._raw_days = raw_days
        self._rollup_days = rollup_days

    async def prepare(self) -> None:
        """1.x: create both databases and set their retention. Later versions: check for them.

        Raises SettingsError where a bucket is missing that only the operator can create.
        """
        if (await self._http.version()).startswith("1."):
            await self._create(self._raw, self._raw_days, shard_days=1)
            await self._create(self._hourly, self._rollup_days, shard_days=7)
            return
        await self._require_both()

    async def _require_both(self) -> None:
        await self._require(self._raw, line_protocol.TICKS, self._raw_days)
        await self._require(self._hourly, line_protocol.ROLLUPS, self._rollup_days)

    async def _create(self, database: str, days: int, *, shard_days: int) -> None:
        name = identifier(database)
        lifetime = f"DURATION {days}d REPLICATION 1 SHARD DURATION {shard_days}d"
        try:
            await self._http.execute(f'CREATE DATABASE {name} WITH {lifetime} NAME "autogen"')
        except Rejected as error:
            if "conflicts with an existing policy" not in str(error):
                raise
            # It exists with another retention: the settings win.
            change = f'ALTER RETENTION POLICY "autogen" ON {name} {lifetime} DEFAULT'
            await self._http.execute(change)

    async def _require(self, bucket: str, measurement: str, days: int) -> None:
        try:
            await self._http.query(bucket, f"SELECT up FROM {measurement} LIMIT 1")  # noqa: S608
        except DatabaseMissing as error:
            raise SettingsError(
                f"InfluxDB has no bucket (2.x) or database (3) {bucket!r}: create it with a "
                f"retention of {days} days, or set INFLUXDB_BUCKET."
            ) from error

    async def write(self, ticks: Sequence[Tick]) -> None:
        lines = line_protocol.encode_ticks(ticks)
        for chunk in _chunks(lines, LINES_PER_WRITE):
            await self._store(self._raw, chunk)

    async def _store(self, database: str, lines: list[bytes]) -> None:
        """Store lines in one request, or in halves where that is too large for the server.

        Lines that InfluxDB rejects for good are logged and dropped: a retry would not help, and
        checks must go on.
        """
        try:
            await self._prepared(lambda: self._http.write(database, b"\n".join(lines)))
        except PartialWrite as error:
            _log.warning("ticks.dropped", lines=len(lines), dropped=error.dropped, error=str(error))
        except Rejected as error:
            if not isinstance(error, TooLarge) or len(lines) == 1:
                _log.error("ticks.refused", lines=len(lines), error=str(error))
                return
            middle = len(lines) // 2
            await self._store(database, lines[:middle])
            await self._store(database, lines[middle:])

    async def _prepared(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try; where the database is missing (a new or reinstalled server), create it and retry.

        Where only the operator can, the failure is temporary: ticks are buffered until then.
        """
        try:
            return await attempt()
        except DatabaseMissing:
            try:
                await self.prepare()
                return await attempt()
            except (SettingsError, DatabaseMissing) as error:
                raise Unavailable("influxdb", str(error)) from error

    async def raw_buckets(
        self, website_id: UUID, region: str | None, since_s: int, until_s: int, width_s: int
    ) -> list[Bucket]:
        query = influxql.select_buckets(website_id, region, since_s, until_s, width_s)
        return _sorted(await self._rows(self._raw, query))

    async def hourly_buckets(
        self, website_id: UUID, region: str | None, since_s: int, until_s: int
    ) -> list[Bucket]:
        query = influxql.select_rollups(website_id, region, since_s, until_s)
        return _sorted(await self._rows(self._hourly, query))

    async def ticks(self, website_id: UUID, since_s: int, until_s: int) -> list[Tick]:
        rows = await self._rows(self._raw, influxql.select_ticks(website_id, since_s, until_s))
        ticks = (influxql.tick_of(website_id, row) for row in rows)
        return sorted(ticks, key=lambda t: (t.slot_s, t.region))

    async def checks(self, query: ChecksQuery) -> list[Tick]:
        rows = await self._rows(self._raw, influxql.select_checks(query))
        ticks = (influxql.tick_of(query.website_id, row) for row in rows)
        newest_first = sorted((-t.slot_s, t.region, t) for t in ticks)
        after = (-query.after[0], query.after[1]) if query.after else (-query.until_s, "")
        return [t for *key, t in newest_first if tuple(key) > after][: query.limit]

    async def _rows(self, database: str, query: str) -> list[influxql.Row]:
        series = await self._prepared(lambda: self._http.query(database, query))
        return list(influxql.rows(series))

    async def roll_up(self, hour_s: int) -> int:
        return await self._prepared(lambda: self._roll_up(hour_s))

    async def _roll_up(self, hour_s: int) -> int:
        stored, throttle = 0, self._throttle()
        for ending in _PARTS:
            lines: list[bytes] = []
            async for line in self._rollups(hour_s, ending):
                lines.append(line)
                if len(lines) == LINES_PER_WRITE:
                    await self._store(self._hourly, lines)
                    stored, lines = stored + len(lines), []
                    # InfluxDB pauses too, as nobody reads its response.
                    await throttle.pause()
            if lines:
                await self._store(self._hourly, lines)
            stored += len(lines)
        return stored

    async def _rollups(self, hour_s: int, ending: str) -> AsyncIterator[bytes]:
        """The lines of these websites; InfluxDB returns one website and region after the other."""
        query = influxql.select_hour(hour_s, ending)
        totals: Totals | None = None
        async for series in self._http.stream(self._raw, query, LINES_PER_WRITE):
            for key, checks in influxql.checks_of(series):
                if totals is None or totals.key != key:
                    if totals is not None:
                        yield _rollup(totals, hour_s)
                    totals = Totals(key)
                totals.add(checks)
        if totals is not None:
            yield _rollup(totals, hour_s)

    async def last_rolled_up(self) -> int | None:
        for days in sorted({_RECENT_DAYS, self._raw_days}):
            queries = [influxql.select_last_rollup(days, ending) for ending in _PARTS]
            hours: list[int] = [
                r["time"] for q in queries for r in await self._rows(self._hourly, q)
            ]
            if hours:
                return max(hours)
        return None

    async def expire(self, now: dt.datetime) -> None:
        """Nothing to do: InfluxDB drops points beyond its retention itself."""

    async def ping(self) -> str:
        return f"InfluxDB {await self._http.version()}"

    async def kept_days(self) -> KeptDays | None:
        if not (await self._http.version()).startswith("1."):
            await self._require_both()
            return None
        try:
            raw, rollups = await self._days(self._raw), await self._days(self._hourly)
        except DatabaseMissing:
            return KeptDays(self._raw_days, self._rollup_days)  # as ``prepare`` will make them
        return KeptDays(raw, rollups)

    async def _days(self, database: str) -> int:
        """The days that the default policy of a database (1.x) keeps what is in it."""
        query = f"SHOW RETENTION POLICIES ON {identifier(database)}"
        rows = list(influxql.rows(await self._http.query(database, query)))
        return next((influxql.days(row["duration"]) for row in rows if row["default"]), 0)

    async def close(self) -> None:
        await self._http.close()


def _rollup(totals: Totals, hour_s: int) -> bytes:
    return line_protocol.encode_rollup(UUID(totals.key[0]), totals.bucket(hour_s))


def _chunks(lines: list[bytes], size: int) -> Iterator[list[bytes]]:
    return (lines[i : i + size] for i in range(0, len(lines), size))


def _sorted(rows: list[influxql.Row]) -> list[Bucket]:
    buckets = (influxql.bucket_of(row) for row in rows)
    return sorted((b for b in buckets if b.checks), key=lambda b: (b.region, b.start_s))
