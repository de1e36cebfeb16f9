"""Points in the buckets of an InfluxDB: written, and read; buckets that are missing are made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from monitor.domain.errors import Misconfigured, Unavailable
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.storage.timeseries import file_limit, influxdb_buckets, influxql
from monitor.storage.timeseries.file_limit import Span
from monitor.storage.timeseries.influxdb_buckets import Admin, Bucket, admin_of, ensure
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

_PIECES_AT_ONCE = 4
_NO_POINT = b"# monitor asks whether it may write here"
"""A comment of the line protocol: it stores nothing."""

_log = get_logger(__name__)
T = TypeVar("T")

Dropped = Callable[[DropReason, int], None]
"""Counts points that InfluxDB keeps out for good."""


class Points:
    """Reads and writes points of these buckets, whatever the version of the server."""

    def __init__(
        self, http: InfluxHttp, buckets: Sequence[Bucket], dropped: Dropped | None = None
    ) -> None:
        self._http = http
        self._buckets = buckets
        self._dropped = dropped
        self._exist: set[str] = set()

    # Buckets

    async def prepare(self) -> None:
        """Make the buckets, and set their retention, where the token may.

        Raises Misconfigured where one is missing that it may not make.
        """
        await self._each(influxdb_buckets.settle, await admin_of(self._http))

    async def check(self) -> list[str]:
        """Ask whether each bucket can be read and written, and how long it keeps its points."""
        await self._http.version()  # it may have changed
        return await self._each(self._check, await admin_of(self._http))

    async def _each(
        self, work: Callable[[Admin, Bucket], Awaitable[str]], admin: Admin
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

    async def _check(self, admin: Admin, bucket: Bucket) -> str:
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

    async def _may_read(self, bucket: Bucket) -> None:
        await self._http.query(bucket.name, influxql.PROBE)

    async def _may_write(self, bucket: Bucket) -> None:
        """Some servers take the comment, which is no point; others want one, once it may."""
        try:
            await self._http.write(bucket.name, _NO_POINT)
        except DatabaseMissing:
            raise
        except Rejected:
            return

    async def prepared(self, bucket: Bucket, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try; where the bucket is missing (a new or reinstalled server), make it and try again.

        Where the token may not, the failure is temporary: ticks are buffered until then.
        """
        try:
            return await attempt()
        except DatabaseMissing:
            try:
                await ensure(await admin_of(self._http), bucket)
                return await attempt()
            except DatabaseMissing as error:
                raise Unavailable("influxdb", str(error)) from error

    # Writing

    async def store(self, bucket: Bucket, lines: Sequence[bytes]) -> None:
        """Store lines in one request, or in halves where that is too large for the server.

        Lines that InfluxDB rejects for good are logged and dropped: a retry would not help, and
        checks must go on.
        """
        try:
            await self.prepared(bucket, lambda: self._write(bucket, b"\n".join(lines)))
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
            await self.store(bucket, lines[:middle])
            await self.store(bucket, lines[middle:])

    def _count(self, reason: DropReason, points: int) -> None:
        if self._dropped is not None:
            self._dropped(reason, points)

    async def _write(self, bucket: Bucket, lines: bytes) -> None:
        if bucket.name not in self._exist and await self._http.major() >= 3:
            # A write would make the database, and it would keep its points for ever.
            await ensure(await admin_of(self._http), bucket)
            self._exist.add(bucket.name)
        await self._http.write(bucket.name, lines)

    # Reading

    async def stream(
        self, bucket: Bucket, query: str, rows: int
    ) -> AsyncIterator[list[influxql.Series]]:
        """A SELECT of few files answered in chunks of ``rows``; see ``InfluxHttp.stream``."""
        async for series in self._http.stream(bucket.name, query, rows):
            yield series

    async def rows(self, bucket: Bucket, query: str) -> list[influxql.Row]:
        """The rows of a SELECT of few files."""
        series = await self.prepared(bucket, lambda: self._http.query(bucket.name, query))
        return list(influxql.rows(series))

    async def ask(
        self,
        bucket: Bucket,
        question: Callable[[Span], str],
        span: Span,
        *,
        spacing_s: int | None = None,
        align_s: int = 1,
    ) -> list[influxql.Row]:
        """The rows of a SELECT over a span; 3 Core is asked for it in pieces.

        ``spacing_s``: how far apart points begin, where not as those of the bucket do. Pieces are
        cut at multiples of ``align_s``.
        """
        pieces = [span]
        if await self._http.major() >= 3:
            pieces = file_limit.pieces(span, spacing_s or bucket.spacing_s, align_s)
        rows: list[influxql.Row] = []
        for begin in range(0, len(pieces), _PIECES_AT_ONCE):
            group = pieces[begin : begin + _PIECES_AT_ONCE]
            answers = (self._ask_piece(bucket, question, piece, align_s) for piece in group)
            rows += [row for answer in await tasks.gather(*answers) for row in answer]
        return rows

    async def _ask_piece(
        self, bucket: Bucket, question: Callable[[Span], str], piece: Span, align_s: int
    ) -> list[influxql.Row]:
        """The rows of a piece, or those of its halves where the server finds even it too long."""
        try:
            return await self.rows(bucket, question(piece))
        except TooManyFiles:
            halves = file_limit.halves(piece, align_s)
            if halves is None:
                raise
            answers = [await self._ask_piece(bucket, question, h, align_s) for h in halves]
            return [row for answer in answers for row in answer]


async def _refusal(work: Awaitable[None]) -> NotAllowed | None:
    try:
        await work
    except NotAllowed as error:
        return error
    return None
