"""Ticks in InfluxDB 1.x, 2.x (2.5 on) or 3 Core.

| database or bucket | measurement | tags | fields |
|---|---|---|---|
| BUCKET | website_ticks | website_id, region | up 0 or 1, status_code, response_ms with a response, reason when down, dns_ms, connect_ms, tls_ms and wait_ms where they happened, transfer_ms where it is not the rest of response_ms, out_of_turn 1 where it fills no slot |
| BUCKET_hourly | website_ticks_hourly | website_id, region | checks, up, measured, mean_ms, p95_ms, max_ms, out_of_turn unless 0 |

One for each, because retention is set per database. All are made by us, where the token may
(influxdb_buckets.py); 3 Core is asked in pieces (file_limit.py).

Every field costs the server as much as any other, so fields that can be derived are not
written (docs/adr/0019-influxdb-stores-fewer-fields-in-bounded-memory.md).

A point that is written again replaces only the fields it has. So a slot with a response in its
first run and none in a second keeps the response time and the phases of the first.
"""  # noqa: E501 - a table

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TypeVar
from uuid import UUID

from monitor.domain.errors import Misconfigured, Unavailable
from monitor.domain.outcome import Tick
from monitor.domain.series import HOUR_S, Bucket
from monitor.runtime.logging import get_logger
from monitor.storage.timeseries import file_limit, influxdb_buckets, influxql, line_protocol
from monitor.storage.timeseries.file_limit import Span
from monitor.storage.timeseries.influxdb_buckets import Admin
from monitor.storage.timeseries.influxdb_errors import (
    DatabaseMissing,
    DropReason,
    NotAllowed,
    PartialWrite,
    Rejected,
    TooLarge,
    TooManyFiles,
)
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from monitor.storage.timeseries.throttle import Throttle
from monitor.storage.timeseries.totals import Totals

LINES_PER_WRITE = 5000
_PARTS = "0123456789abcdef"
"""A roll-up reads one sixteenth of the websites at a time, by the last digit of their id: InfluxDB
1.x holds some kB for every series of a query until it has answered."""
_RECENT_DAYS = 2
"""The latest roll-up is searched here first, which opens few of the server's files."""
_PIECES_AT_ONCE = 4
_NO_POINT = b"# monitor asks whether it may write here"
"""A comment of the line protocol: it stores nothing."""

_log = get_logger(__name__)
T = TypeVar("T")

Dropped = Callable[[DropReason, int], None]
"""Counts points that InfluxDB keeps out for good."""


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
        dropped: Dropped | None = None,
    ) -> None:
        """``throttle``: creates the throttle of a roll-up."""
        self._http = http
        self._throttle = throttle
        self._dropped = dropped
        self._raw = influxdb_buckets.Bucket(
            bucket, "ticks", raw_days, "MONITOR_RAW_DAYS", file_limit.BLOCK_S, shard_days=1
        )
        self._hourly = influxdb_buckets.Bucket(
            f"{bucket}_hourly", "hourly roll-ups", rollup_days, "MONITOR_ROLLUP_DAYS", HOUR_S,
            shard_days=7,
        )  # fmt: skip
        self._buckets = [self._raw, self._hourly]
        self._exist: set[str] = set()

    async def prepare(self) -> None:
        """Make the buckets, and set their retention, where the token may.

        Raises Misconfigured where one is missing that it may not make.
        """
        admin = await influxdb_buckets.admin_of(self._http)
        await self._each(influxdb_buckets.settle, admin)

    async def check(self) -> list[str]:
        """Ask whether each bucket can be read and written, and how long it keeps its points."""
        await self._http.version()  # it may have changed
        admin = await influxdb_buckets.admin_of(self._http)
        return await self._each(self._check, admin)

    async def _each(
        self, work: Callable[[Admin, influxdb_buckets.Bucket], Awaitable[str]], admin: Admin
    ) -> list[str]:
        """What ``work`` and buckets that are not needed have to remark; all problems at once."""
        remarks: list[str] = []
        problems: list[str] = []
        for bucket in self._buckets:
            try:
                remarks.append(await work(admin, bucket))
            except Misconfigured as error:
                (problems if bucket.needed else remarks).append(error.problem)
        if problems:
            raise Misconfigured("influxdb", "; ".join(dict.fromkeys(problems)))
        return [remark for remark in remarks if remark]

    async def _check(self, admin: Admin, bucket: influxdb_buckets.Bucket) -> str:
        try:
            remark = await influxdb_buckets.compare(admin, bucket)
        except NotAllowed:  # what it may do with it is what counts
            remark = ""
        refused = [
            (verb, error)
            for verb, work in (("read", self._may_read), ("write to", self._may_write))
            if (error := await _refusal(work(bucket)))
        ]
        if len(refused) == 1:
            [(verb, error)] = refused
            problem = f"INFLUXDB_TOKEN may not {verb} {bucket.name!r}: let it, or correct it"
            raise Misconfigured("influxdb", problem, str(error))
        if refused:
            raise refused[0][1]
        return remark

    async def _may_read(self, bucket: influxdb_buckets.Bucket) -> None:
        await self._http.query(bucket.name, influxql.PROBE)

    async def _may_write(self, bucket: influxdb_buckets.Bucket) -> None:
        """Some servers store the comment, which is no point; others want one, once it may."""
        try:
            await self._http.write(bucket.name, _NO_POINT)
        except DatabaseMissing:
            raise
        except Rejected:
            return

    async def write(self, ticks: Sequence[Tick]) -> None:
        lines = line_protocol.encode_ticks(ticks)
        for chunk in _chunks(lines, LINES_PER_WRITE):
            await self._store(self._raw, chunk)

    async def _store(self, bucket: influxdb_buckets.Bucket, lines: list[bytes]) -> None:
        """Store lines in one request, or in halves where that is too large for the server.

        Lines that InfluxDB rejects for good are logged and dropped: a retry would not help, and
        checks must go on.
        """
        try:
            await self._prepared(bucket, lambda: self._write(bucket, b"\n".join(lines)))
        except PartialWrite as error:
            _log.warning(
                "ticks.dropped", lines=len(lines), dropped=error.dropped, reason=error.reason,
                error=str(error),
            )  # fmt: skip
            self._count(error.reason, error.dropped or 1)
        except Rejected as error:
            if not isinstance(error, TooLarge) or len(lines) == 1:
                _log.error("ticks.refused", lines=len(lines), error=str(error))
                self._count(error.reason, len(lines))
                return
            middle = len(lines) // 2
            await self._store(bucket, lines[:middle])
            await self._store(bucket, lines[middle:])

    def _count(self, reason: DropReason, points: int) -> None:
        if self._dropped is not None:
            self._dropped(reason, points)

    async def _write(self, bucket: influxdb_buckets.Bucket, lines: bytes) -> None:
        if bucket.name not in self._exist and await self._http.major() >= 3:
            # A write would make the database, and it would keep its points for ever.
            await influxdb_buckets.ensure(await influxdb_buckets.admin_of(self._http), bucket)
            self._exist.add(bucket.name)
        await self._http.write(bucket.name, lines)

    async def _prepared(
        self, bucket: influxdb_buckets.Bucket, attempt: Callable[[], Awaitable[T]]
    ) -> T:
        """Try; where the bucket is missing (a new or reinstalled server), make it and try again.

        Where the token may not, the failure is temporary: ticks are buffered until then.
        """
        try:
            return await attempt()
        except DatabaseMissing:
            try:
                await influxdb_buckets.ensure(await influxdb_buckets.admin_of(self._http), bucket)
                return await attempt()
            except DatabaseMissing as error:
                raise Unavailable("influxdb", str(error)) from error

    async def raw_buckets(
        self, website_id: UUID, region: str | None, since_s: int, until_s: int, width_s: int
    ) -> list[Bucket]:
        def question(span: Span) -> str:
            return influxql.select_buckets(website_id, region, *span, width_s)

        return _sorted(await self._ask(self._raw, question, (since_s, until_s), width_s))

    async def hourly_buckets(
        self, website_id: UUID, region: str | None, since_s: int, until_s: int
    ) -> list[Bucket]:
        def question(span: Span) -> str:
            return influxql.select_rollups(website_id, region, *span)

        return _sorted(await self._ask(self._hourly, question, (since_s, until_s)))

    async def ticks(self, website_id: UUID, since_s: int, until_s: int) -> list[Tick]:
        def question(span: Span) -> str:
            return influxql.select_ticks(website_id, *span)

        rows = await self._ask(self._raw, question, (since_s, until_s))
        ticks = (influxql.tick_of(website_id, row) for row in rows)
        return sorted(ticks, key=lambda t: (t.slot_s, t.region))

    async def _ask(
        self,
        bucket: influxdb_buckets.Bucket,
        question: Callable[[Span], str],
        span: Span,
        align_s: int = 1,
    ) -> list[influxql.Row]:
        """The rows of a span; 3 Core is asked in pieces, cut at multiples of ``align_s``."""
        pieces = [span]
        if await self._http.major() >= 3:
            pieces = file_limit.pieces(span, bucket.spacing_s, align_s)
        rows: list[influxql.Row] = []
        for begin in range(0, len(pieces), _PIECES_AT_ONCE):
            group = pieces[begin : begin + _PIECES_AT_ONCE]
            answers = (self._ask_piece(bucket, question, piece, align_s) for piece in group)
            rows += [row for answer in await asyncio.gather(*answers) for row in answer]
        return rows

    async def _ask_piece(
        self,
        bucket: influxdb_buckets.Bucket,
        question: Callable[[Span], str],
        piece: Span,
        align_s: int,
    ) -> list[influxql.Row]:
        """The rows of a piece, or those of its halves where the server finds even it too long."""
        try:
            return await self._rows(bucket, question(piece))
        except TooManyFiles:
            halves = file_limit.halves(piece, align_s)
            if halves is None:
                raise
            answers = [await self._ask_piece(bucket, question, h, align_s) for h in halves]
            return [row for answer in answers for row in answer]

    async def _rows(self, bucket: influxdb_buckets.Bucket, query: str) -> list[influxql.Row]:
        series = await self._prepared(bucket, lambda: self._http.query(bucket.name, query))
        return list(influxql.rows(series))

    async def roll_up(self, hour_s: int) -> int:
        return await self._prepared(self._raw, lambda: self._roll_up(hour_s))

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
        async for series in self._http.stream(self._raw.name, query, LINES_PER_WRITE):
            for key, checks in influxql.checks_of(series):
                if totals is None or totals.key != key:
                    if totals is not None:
                        yield _rollup(totals, hour_s)
                    totals = Totals(key)
                totals.add(checks)
        if totals is not None:
            yield _rollup(totals, hour_s)

    async def last_rolled_up(self) -> int | None:
        for days, until_days in self._searched():
            queries = [influxql.select_last_rollup(days, e, until_days) for e in _PARTS]
            hours: list[int] = [
                r["time"] for q in queries for r in await self._rows(self._hourly, q)
            ]
            if hours:
                return max(hours)
        return None

    def _searched(self) -> Iterator[tuple[int, int]]:
        """The days that are searched for the latest roll-up: [days ago, days ago)."""
        days, at_once = 0, file_limit.BLOCKS_AT_ONCE // 24
        while days < self._raw.days:
            until, days = days, min(days + (at_once if days else _RECENT_DAYS), self._raw.days)
            yield days, until

    async def expire(self, now: dt.datetime) -> None:
        """Nothing to do: InfluxDB drops points beyond its retention itself."""

    async def ping(self) -> str:
        return f"InfluxDB {await self._http.version()}"

    async def close(self) -> None:
        await self._http.close()


async def _refusal(work: Awaitable[None]) -> NotAllowed | None:
    try:
        await work
    except NotAllowed as error:
        return error
    return None


def _rollup(totals: Totals, hour_s: int) -> bytes:
    return line_protocol.encode_rollup(UUID(totals.key[0]), totals.bucket(hour_s))


def _chunks(lines: list[bytes], size: int) -> Iterator[list[bytes]]:
    return (lines[i : i + size] for i in range(0, len(lines), size))


def _sorted(rows: list[influxql.Row]) -> list[Bucket]:
    buckets = (influxql.bucket_of(row) for row in rows)
    return sorted((b for b in buckets if b.checks), key=lambda b: (b.region, b.start_s))
