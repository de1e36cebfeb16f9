"""Ticks in InfluxDB 1.x, 2.x (2.5 on) or 3 Core.

| database or bucket | measurement | tags | fields |
|---|---|---|---|
| BUCKET | website_ticks | website_id, region | up 0 or 1, status_code, response_ms where something answered, reason when down, and where they happened dns_ms, connect_ms, tls_ms, wait_ms; transfer_ms where it is not what these leave of response_ms |
| BUCKET_hourly | website_ticks_hourly | website_id, region | checks, up, measured, mean_ms, p95_ms, max_ms |

Two databases, as retention belongs to a database and roll-ups live longer. In 1.x ``prepare``
makes both; in 2.x and 3 they and their retention are the operator's.

Every field costs the server as much as any other, hence what can be told from others is not
written (docs/adr/0019-influxdb-stores-fewer-fields-in-bounded-memory.md).

A point written again replaces each field it brings. So a slot that was first answered and, in
a second run, was not, keeps the response time and the phases of the first.
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
from monitor.storage.timeseries.influxdb_http import (
    DatabaseMissing,
    InfluxHttp,
    PartlyStored,
    Refused,
    TooLarge,
)
from monitor.storage.timeseries.influxql import identifier
from monitor.storage.timeseries.throttle import Pace
from monitor.storage.timeseries.totals import Totals

LINES_PER_WRITE = 5000
_PARTS = "0123456789abcdef"
"""A roll-up asks for one sixteenth of the websites at a time, by the last digit of their id:
InfluxDB 1.x holds some kB for every series of a question until it has answered."""
_LATELY_DAYS = 2
"""Where the latest roll-up is looked for first: that opens few of the server's files."""

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
        pace: Callable[[], Pace] = Pace,
    ) -> None:
        """``pace``: makes that of a roll-up."""
        self._http = http
        self._pace = pace
        self._raw = bucket
        self._hourly = f"{bucket}_hourly"
        self._raw_days = raw_days
        self._rollup_days = rollup_days

    async def prepare(self) -> None:
        """1.x: make both databases and set their retention. Later versions: look for them.

        Raises SettingsError where a bucket is missing that only the operator can make.
        """
        if (await self._http.version()).startswith("1."):
            await self._make(self._raw, self._raw_days, shard_days=1)
            await self._make(self._hourly, self._rollup_days, shard_days=7)
            return
        await self._find(self._raw, line_protocol.TICKS, self._raw_days)
        await self._find(self._hourly, line_protocol.ROLLUPS, self._rollup_days)

    async def _make(self, database: str, days: int, *, shard_days: int) -> None:
        name = identifier(database)
        lifetime = f"DURATION {days}d REPLICATION 1 SHARD DURATION {shard_days}d"
        try:
            await self._http.execute(f'CREATE DATABASE {name} WITH {lifetime} NAME "autogen"')
        except Refused as error:
            if "conflicts with an existing policy" not in str(error):
                raise
            # It was made with another retention: the settings win.
            change = f'ALTER RETENTION POLICY "autogen" ON {name} {lifetime} DEFAULT'
            await self._http.execute(change)

    async def _find(self, bucket: str, measurement: str, days: int) -> None:
        try:
            await self._http.query(bucket, f"SELECT up FROM {measurement} LIMIT 1")  # noqa: S608
        except DatabaseMissing as error:
            raise SettingsError(
                f"InfluxDB has no bucket (2.x) or database (3) {bucket!r}: make it, with a "
                f"retention of {days} days, or set INFLUXDB_BUCKET."
            ) from error

    async def write(self, ticks: Sequence[Tick]) -> None:
        lines = line_protocol.encode_ticks(ticks)
        for chunk in _chunks(lines, LINES_PER_WRITE):
            await self._store(self._raw, chunk)

    async def _store(self, database: str, lines: list[bytes]) -> None:
        """Store lines in one request; in halves where that is too much for the server.

        What InfluxDB refuses for good is logged and dropped: no later try could store it, and
        checks go on without.
        """
        try:
            await self._prepared(lambda: self._http.write(database, b"\n".join(lines)))
        except PartlyStored as error:
            _log.warning("ticks.dropped", lines=len(lines), dropped=error.dropped, error=str(error))
        except Refused as error:
            if not isinstance(error, TooLarge) or len(lines) == 1:
                _log.error("ticks.refused", lines=len(lines), error=str(error))
                return
            middle = len(lines) // 2
            await self._store(database, lines[:middle])
            await self._store(database, lines[middle:])

    async def _prepared(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try; where the database is missing (a new server, or one made anew), make it first.

        Where only the operator can, that is a passing failure: ticks wait until it is made.
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
        question = influxql.select_buckets(website_id, region, since_s, until_s, width_s)
        return _sorted(await self._rows(self._raw, question))

    async def hourly_buckets(
        self, website_id: UUID, region: str | None, since_s: int, until_s: int
    ) -> list[Bucket]:
        question = influxql.select_rollups(website_id, region, since_s, until_s)
        return _sorted(await self._rows(self._hourly, question))

    async def ticks(self, website_id: UUID, since_s: int, until_s: int) -> list[Tick]:
        rows = await self._rows(self._raw, influxql.select_ticks(website_id, since_s, until_s))
        found = (influxql.tick_of(website_id, row) for row in rows)
        return sorted(found, key=lambda t: (t.slot_s, t.region))

    async def _rows(self, database: str, question: str) -> list[influxql.Row]:
        series = await self._prepared(lambda: self._http.query(database, question))
        return list(influxql.rows(series))

    async def roll_up(self, hour_s: int) -> int:
        return await self._prepared(lambda: self._roll_up(hour_s))

    async def _roll_up(self, hour_s: int) -> int:
        stored, pace = 0, self._pace()
        for ending in _PARTS:
            lines: list[bytes] = []
            async for line in self._rollups(hour_s, ending):
                lines.append(line)
                if len(lines) == LINES_PER_WRITE:
                    await self._store(self._hourly, lines)
                    stored, lines = stored + len(lines), []
                    # Meanwhile InfluxDB waits as well: nobody takes what it has to say.
                    await pace.rest()
            if lines:
                await self._store(self._hourly, lines)
            stored += len(lines)
        return stored

    async def _rollups(self, hour_s: int, ending: str) -> AsyncIterator[bytes]:
        """The lines of these websites; InfluxDB answers one website and region after the other."""
        question = influxql.select_hour(hour_s, ending)
        totals: Totals | None = None
        async for series in self._http.stream(self._raw, question, LINES_PER_WRITE):
            for key, found in influxql.checks_of(series):
                if totals is None or totals.key != key:
                    if totals is not None:
                        yield _rollup(totals, hour_s)
                    totals = Totals(key)
                totals.add(found)
        if totals is not None:
            yield _rollup(totals, hour_s)

    async def last_rolled_up(self) -> int | None:
        for days in sorted({_LATELY_DAYS, self._raw_days}):
            questions = [influxql.select_last_rollup(days, ending) for ending in _PARTS]
            hours: list[int] = [
                r["time"] for q in questions for r in await self._rows(self._hourly, q)
            ]
            if hours:
                return max(hours)
        return None

    async def expire(self, now: dt.datetime) -> None:
        """Nothing to do: InfluxDB drops what is past its retention on its own."""

    async def ping(self) -> str:
        return f"InfluxDB {await self._http.version()}"

    async def close(self) -> None:
        await self._http.close()


def _rollup(totals: Totals, hour_s: int) -> bytes:
    return line_protocol.encode_rollup(UUID(totals.key[0]), totals.bucket(hour_s))


def _chunks(lines: list[bytes], size: int) -> Iterator[list[bytes]]:
    return (lines[i : i + size] for i in range(0, len(lines), size))


def _sorted(rows: list[influxql.Row]) -> list[Bucket]:
    found = (influxql.bucket_of(row) for row in rows)
    return sorted((b for b in found if b.checks), key=lambda b: (b.region, b.start_s))
