"""`monitor sla`: the availability of websites as a table, through the API."""

# ruff: noqa: PLC0415 - `monitor --help` must be fast: heavy modules are imported inside

from __future__ import annotations

import csv
import io
from argparse import Namespace
from collections import deque
from collections.abc import Iterator, Mapping
from decimal import ROUND_FLOOR, Decimal
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING

from monitor.cli.transfer import api_access, standard_output
from monitor.domain.errors import MonitorError
from monitor.resources.formats import default_name
from monitor.resources.spreadsheets import Guard
from monitor.runtime.terminal import TerminalBytes, single_line

if TYPE_CHECKING:
    from monitor.cli.client import Access

PARAMETERS = ("from", "to", "tz", "region", "status", "paused", "q")
"""Those of GET /sla that are options of the command."""

_COLUMNS = "{:>9}  {:>9}  {:>9}  {:>12}  {:>12}  {:>12}  {:>9}  {:>9}  {}"
_HEAD = _COLUMNS.format(
    "MEASURED", "LOW", "HIGH", "DOWN", "NOT MEASURED", "EXCLUDED", "INCIDENTS", "P95 MS", "WEBSITE"
)
_MEMORY_BYTES = 2**24
_TOTAL = "total"
_GUARD = Guard()
_DAY_S, _HOUR_S, _MINUTE_S = 86_400, 3_600, 60

Row = Mapping[str, str]
"""A row of the API's CSV, by column."""


def print_report(arguments: Namespace) -> None:
    """Print a line for each matching website, and their totals in the last one."""
    from monitor.cli.aio import run

    access = api_access(arguments)
    options = {name: getattr(arguments, name) for name in PARAMETERS}
    query = {name: value for name, value in options.items() if value is not None}
    if arguments.csv:
        run(_receive(access, query, standard_output()))
        return
    with SpooledTemporaryFile(_MEMORY_BYTES) as file:
        run(_receive(access, query, file))
        file.seek(0)
        # Read to its end first: half a table would look like a whole one.
        _must_be_complete(_rows(file))
        file.seek(0)
        for text in table(_rows(file)):
            print(text)


async def _receive(
    access: Access, query: Mapping[str, str], out: IO[bytes] | TerminalBytes
) -> None:
    from monitor.cli.client import client

    async with client(access) as api:
        async for block in api.reports(query):
            out.write(block)
    out.flush()


def _rows(file: IO[bytes]) -> Iterator[Row]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        yield from csv.DictReader(text)
    finally:
        text.detach()


def _must_be_complete(rows: Iterator[Row]) -> None:
    last = deque(rows, maxlen=1)
    if not last or not _is_total(last[0]):
        raise MonitorError("The report broke off before its totals. Try again.")


def table(rows: Iterator[Row]) -> Iterator[str]:
    """The lines for people: the window, a head, a line for each website, and the totals."""
    websites = -1
    for websites, row in enumerate(rows):
        if not websites:
            yield _HEAD
        yield _line(row, f"{_TOTAL} of {websites}" if _is_total(row) else _website(row))
    if websites >= 0:
        yield f"{row['from']} to {row['to']}, formula {row['formula']}"


def _is_total(row: Row) -> bool:
    return not row.get("website_id") and row.get("name") == _TOTAL


def _website(row: Row) -> str:
    """The URL, and the name where somebody gave it one."""
    name, url = (_GUARD.take_off(row[column]) for column in ("name", "url"))
    return single_line(url if name == default_name(url) else f"{name} ({url})")


def _line(row: Row, website: str) -> str:
    return _COLUMNS.format(
        *(_percent(row[f"availability_{name}"]) for name in ("measured", "low", "high")),
        *(_span(row[name]) for name in ("total_downtime_s", "not_measured_s", "excluded_s")),
        row["number_of_incidents"],
        row["response_ms_p95"] or "-",
        website,
    )


def _percent(ratio: str) -> str:
    """A ratio in per cent, rounded down: a second of downtime is not 100 %."""
    if not ratio:
        return "-"
    return f"{(Decimal(ratio) * 100).quantize(Decimal('0.0001'), ROUND_FLOOR)}%"


def _span(seconds: str) -> str:
    """Seconds as days and hours, such as 3d 04:05:06."""
    days, rest = divmod(int(seconds), _DAY_S)
    hours, rest = divmod(rest, _HOUR_S)
    clock = f"{hours:02}:{rest // _MINUTE_S:02}:{rest % _MINUTE_S:02}"
    return f"{days}d {clock}" if days else clock
