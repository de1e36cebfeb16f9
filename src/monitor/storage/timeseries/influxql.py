"""InfluxQL queries, and how to read their results. Pure.

Times in results are Unix seconds (requested with ``epoch=s``). InfluxDB 1.x and 2.x return the tags
of a group beside its rows, 3 Core as columns: ``rows`` reads both.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

from monitor.domain.histogram import Histogram, decode_varints, encode_varints
from monitor.domain.outcome import Reason, Tick, Timings
from monitor.domain.rollup import Gap, Rollup, decode_gaps
from monitor.domain.series import DAY_S, HOUR_S, Bucket
from monitor.storage.timeseries.contract import ChecksQuery
from monitor.storage.timeseries.line_protocol import DAYS, HISTOGRAMS, HOURS, TICKS
from monitor.storage.timeseries.totals import Key, Sample, Totals

Row = dict[str, Any]
"""Column or tag name: value."""

_PHASES = ("dns", "connect", "tls", "wait", "transfer")
_FIELDS = (
    "up,reason,status_code,response_ms,dns_ms,connect_ms,tls_ms,wait_ms,transfer_ms,out_of_turn,"
    "address,began_ms,dns_shared"
)
_HOUR = f"checks,up,measured,mean_ms,max_ms,out_of_turn,expected,gaps FROM {HOURS}"
_SAMPLE = f"up,response_ms,out_of_turn FROM {TICKS}"
_HISTOGRAM = f"histogram FROM {HISTOGRAMS}"
_DAY = f"checks,up,measured,total_ms,max_ms,out_of_turn,expected,gaps,histogram FROM {DAYS}"
_TOTALS = (
    "COUNT(up) AS checks,SUM(up) AS up,COUNT(response_ms) AS measured,"
    "MEAN(response_ms) AS mean_ms,PERCENTILE(response_ms,95) AS p95_ms,MAX(response_ms) AS max_ms,"
    "COUNT(out_of_turn) AS out_of_turn"
)


class Series(Struct, frozen=True):
    """Rows with the same tags, or a part of them."""

    columns: list[str]
    values: list[list[Any]] = []
    tags: dict[str, str] = {}


class Result(Struct, frozen=True):
    """The result of one statement: series, or an error message."""

    series: list[Series] = []
    error: str | None = None


class Response(Struct, frozen=True):
    """A whole response, or one chunk of it."""

    results: list[Result] = []
    error: str | None = None

    def first_error(self) -> str | None:
        errors = (self.error, *(r.error for r in self.results))
        return next((e for e in errors if e is not None), None)


def literal(text: str) -> str:
    """Text as a string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def identifier(name: str) -> str:
    """A name, such as a database's, in double quotes."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def select_ticks(website_id: UUID, since_s: int, until_s: int) -> str:
    where = _where(website_id, None, since_s, until_s)
    return f"SELECT {_FIELDS} FROM {TICKS} WHERE {where} GROUP BY region"  # noqa: S608 - escaped


def select_buckets(
    website_id: UUID, region: str | None, since_s: int, until_s: int, width_s: int
) -> str:
    """Totals per region and ``width_s``; InfluxDB aligns groups of time to the Unix epoch."""
    where = _where(website_id, region, since_s, until_s)
    groups = f"time({width_s:d}s),region fill(none)"
    return f"SELECT {_TOTALS} FROM {TICKS} WHERE {where} GROUP BY {groups}"  # noqa: S608 - escaped


def select_checks(query: ChecksQuery) -> str:
    """At least the checks that are wanted: of each region one more than the page has room for, as
    the first may be on the page before."""
    until_s = query.until_s if query.after is None else min(query.until_s, query.after[0] + 1)
    where = _where(query.website_id, query.region, query.since_s, until_s)
    if query.up is not None:
        where += f" AND up={query.up:d}"
    newest = f"GROUP BY region ORDER BY time DESC LIMIT {query.limit + 1:d}"
    return f"SELECT {_FIELDS} FROM {TICKS} WHERE {where} {newest}"  # noqa: S608 - escaped


def select_hours(
    website_ids: Sequence[UUID], region: str | None, since_s: int, until_s: int
) -> str:
    """The hours of these websites, but for their histograms."""
    return _select_websites(_HOUR, website_ids, region, since_s, until_s)


def select_histograms(
    website_ids: Sequence[UUID], region: str | None, since_s: int, until_s: int
) -> str:
    """The histograms of hours, which are in the database of ticks."""
    return _select_websites(_HISTOGRAM, website_ids, region, since_s, until_s)


def select_days(website_ids: Sequence[UUID], region: str | None, since_s: int, until_s: int) -> str:
    return _select_websites(_DAY, website_ids, region, since_s, until_s)


def _select_websites(
    source: str, website_ids: Sequence[UUID], region: str | None, since_s: int, until_s: int
) -> str:
    ids = _any([f"website_id={literal(str(i))}" for i in website_ids])
    of_region = "" if region is None else f"region={literal(region)} AND "
    where = f"{ids} AND {of_region}{_span(since_s, until_s)}"
    return f"SELECT {source} WHERE {where} GROUP BY website_id,region"


def _any(conditions: Sequence[str]) -> str:
    """Any of these, in halves: InfluxDB 1.x unites the series of two at a time, and each level of
    a row of 500 would pass on all of those below it."""
    if len(conditions) < 2:
        return conditions[0]
    middle = len(conditions) // 2
    return f"({_any(conditions[:middle])} OR {_any(conditions[middle:])})"


def select_samples(website_ids: Sequence[UUID], since_s: int, until_s: int) -> str:
    """The ticks of these websites, as far as they are summed up."""
    return _select_websites(_SAMPLE, website_ids, None, since_s, until_s)


def select_hours_of_day(day_s: int, ending: str) -> str:
    """The hours of one day of the websites whose id ends in ``ending``, website by website."""
    return select_part(_HOUR, day_s, day_s + DAY_S, ending)


def select_histograms_of_day(day_s: int, ending: str) -> str:
    """Their histograms."""
    return select_part(_HISTOGRAM, day_s, day_s + DAY_S, ending)


def select_part(source: str, since_s: int, until_s: int, ending: str) -> str:
    """``source``, "FIELDS FROM MEASUREMENT", of the websites whose id ends in ``ending``."""
    where = f"website_id =~ /{ending}$/ AND {_span(since_s, until_s)}"
    return f"SELECT {source} WHERE {where} GROUP BY website_id,region"


def select_hour(hour_s: int, ending: str) -> str:
    """One hour of the websites whose id ends in ``ending``, website by website.

    Raw points, summed here: six aggregates would cost InfluxDB 1.x three times as much.
    """
    return select_part(_SAMPLE, hour_s, hour_s + HOUR_S, ending)


def select_last_rollup(days: int, ending: str, until_days: int = 0) -> str:
    """The latest roll-up of the last ``days`` days of the websites whose id ends in ``ending``,
    but for the last ``until_days``."""
    before = f" AND time < now() - {until_days:d}d" if until_days else ""
    where = f"website_id =~ /{ending}$/ AND time >= now() - {days:d}d{before}"
    return f"SELECT checks FROM {HOURS} WHERE {where} ORDER BY time DESC LIMIT 1"  # noqa: S608 - hex


PROBE = f"SELECT up FROM {TICKS} WHERE website_id='none' AND time >= now() - 1m LIMIT 1"  # noqa: S608
"""Reads next to nothing, of any bucket, and is answered where it may be read."""


def _where(website_id: UUID, region: str | None, since_s: int, until_s: int) -> str:
    of_region = "" if region is None else f"region={literal(region)} AND "
    return f"website_id={literal(str(website_id))} AND {of_region}{_span(since_s, until_s)}"


def _span(since_s: int, until_s: int) -> str:
    return f"time >= {since_s:d}s AND time < {until_s:d}s"


def rows(series: Iterable[Series]) -> Iterator[Row]:
    """Every row with its columns and its tags by name."""
    for s in series:
        for values in s.values:
            yield {**s.tags, **dict(zip(s.columns, values, strict=True))}


def checks_of(series: Iterable[Series]) -> Iterator[tuple[Key, Sequence[Sample]]]:
    """The result of ``select_hour``: for each website and region its checks, or a part of them."""
    for s in series:
        if s.tags:
            yield (s.tags["website_id"], s.tags["region"]), _samples(s)
        else:
            for row in rows([s]):
                sample = (row["time"], row["up"], row["response_ms"], row.get("out_of_turn"))
                yield (row["website_id"], row["region"]), [sample]


def totals_of(rows: Iterable[Row]) -> list[Totals]:
    """The result of ``select_samples`` summed up, by website, then region."""
    totals: dict[Key, Totals] = {}
    for row in rows:
        key = key_of(row)
        own = totals.get(key)
        if own is None:
            own = totals[key] = Totals(UUID(key[0]), key[1])
        own.add([(row["time"], row["up"], row["response_ms"], row.get("out_of_turn"))])
    return [totals[key] for key in sorted(totals)]


_SAMPLE_COLUMNS = ["time", "up", "response_ms", "out_of_turn"]


def _samples(s: Series) -> Sequence[Sample]:
    if s.columns == _SAMPLE_COLUMNS:
        return s.values
    time, up, response_ms = map(s.columns.index, ("time", "up", "response_ms"))
    if "out_of_turn" not in s.columns:  # no tick ever had it
        return [(v[time], v[up], v[response_ms], None) for v in s.values]
    out_of_turn = s.columns.index("out_of_turn")
    return [(v[time], v[up], v[response_ms], v[out_of_turn]) for v in s.values]


def key_of(row: Row) -> Key:
    return row["website_id"], row["region"]


def with_histograms(
    hours: Iterable[Row], histograms: Iterable[Row]
) -> list[tuple[Row, str | None]]:
    """Each of these hours with its histogram as it is stored, None where none is."""
    by_key = {(*key_of(row), row["time"]): row["histogram"] for row in histograms}
    return [(row, by_key.get((*key_of(row), row["time"]))) for row in hours]


def rollup_of(row: Row, histogram: str | None) -> Rollup:
    """A stored hour or day. ``histogram``: as it is stored; None: it is not kept."""
    measured, expected = row["measured"] or 0, row.get("expected")
    mean_ms, total_ms = row.get("mean_ms"), row.get("total_ms")
    if total_ms is None:
        total_ms = 0.0 if mean_ms is None else mean_ms * measured
    return Rollup(
        region=row["region"],
        start_s=row["time"],
        checks=row["checks"] or 0,
        up=row["up"] or 0,
        out_of_turn=row.get("out_of_turn") or 0,
        expected=expected,
        measured=measured,
        total_ms=total_ms,
        max_ms=row.get("max_ms"),
        histogram=_histogram(histogram, measured),
        gaps=_gaps(row),
    )


def _histogram(encoded: str | None, measured: int) -> Histogram | None:
    if not measured:
        return Histogram()
    if encoded is None:
        return None
    histogram = Histogram.decode(a2b_base64(encoded))
    # Another number is left of a point that has been written again without it.
    return histogram if histogram.count == measured else None


def _gaps(row: Row) -> tuple[Gap, ...]:
    """Those of other checks are left of a point that has been written again."""
    numbers = decode_varints(a2b_base64(row.get("gaps") or ""))
    if numbers[:1] != [row["checks"]]:
        return ()
    return decode_gaps(encode_varints(numbers[1:]), row["time"])


def histogram_of(row: Row) -> Histogram:
    """The histogram of an hour."""
    return Histogram.decode(a2b_base64(row["histogram"]))


def tick_of(website_id: UUID, row: Row) -> Tick:
    """A stored tick. An up tick has no reason, even if an earlier write of its slot left one."""
    up = bool(row["up"])
    return Tick(
        website_id,
        row["region"],
        row["time"],
        up,
        None if up or not row["reason"] else Reason(row["reason"]),
        row["status_code"],
        row["response_ms"],
        _timings_of(row),
        bool(row.get("out_of_turn")),
        "" if up else row.get("address") or "",
        None if row.get("began_ms") is None else row["began_ms"] / 1000,
    )


def _timings_of(row: Row) -> Timings:
    """``transfer_ms`` is not stored where it is the remainder of the other phases."""
    phases = {f"{phase}_ms": row[f"{phase}_ms"] or 0.0 for phase in _PHASES}
    timings = Timings(**phases, dns_shared=bool(row.get("dns_shared")))
    if row["transfer_ms"] is None and row["response_ms"] is not None:
        rest_ms = row["response_ms"] - timings.total_ms
        timings.transfer_ms = max(0.0, round(rest_ms, 3))
    return timings


def bucket_of(row: Row) -> Bucket:
    """A bucket from a row of totals."""
    return Bucket(
        region=row["region"],
        start_s=row["time"],
        checks=row["checks"] or 0,
        up=int(row["up"] or 0),
        measured=row["measured"] or 0,
        mean_ms=row.get("mean_ms"),
        p95_ms=row.get("p95_ms"),
        max_ms=row.get("max_ms"),
        out_of_turn=row.get("out_of_turn") or 0,
    )


_UNITS_S = {"h": 3600, "m": 60, "s": 1}


def duration_s(duration: str) -> int:
    """A duration as SHOW RETENTION POLICIES writes it, such as ``720h0m0s``; 0 means for ever."""
    parts = re.findall(r"(\d+)([hms])(?![a-z])", duration)
    return sum(int(number) * _UNITS_S[unit] for number, unit in parts)
