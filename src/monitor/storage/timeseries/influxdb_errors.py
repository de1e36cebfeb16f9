"""What InfluxDB's refusals mean. Pure: a status and a body in, an error of ours out.

1.x, 2.x and 3 Core say the same things in different words. Theirs are in the InfluxDB 1.x, 2.x and
3 Core API references (docs.influxdata.com) and in tests/support/recorded_influx.py.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import msgspec

from monitor.domain.errors import Misconfigured, MonitorError, Unavailable
from monitor.domain.outcome import printable

_DROPPED = re.compile(r"\bdropped=(\d+)")


class DropReason(StrEnum):
    """Why InfluxDB keeps points out for good."""

    FIELD_CONFLICT = "field_conflict"
    BEYOND_RETENTION = "beyond_retention"
    TOO_LARGE = "too_large"
    REFUSED = "refused"


class Rejected(MonitorError):
    """InfluxDB rejected the request for good: a retry would not help."""

    reason = DropReason.REFUSED

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class DatabaseMissing(Rejected):
    """The database (1.x, 3) or bucket (2.x) does not exist."""


class TooLarge(Rejected):
    """The request is larger than the server accepts."""

    reason = DropReason.TOO_LARGE


class PartialWrite(Rejected):
    """Some points were dropped for good, the others are stored.

    ``dropped`` is None where the server does not report the number.
    """

    def __init__(self, message: str, dropped: int | None, reason: DropReason) -> None:
        super().__init__(message)
        self.dropped = dropped
        self.reason = reason


class NotAllowed(Misconfigured):
    """The token is wrong, or it may not do this."""


class TooManyFiles(Unavailable):
    """3 Core refuses a question that would read too many of its files; one about less may do."""


class _Message(msgspec.Struct):
    """The error of all three versions, and the version as 3 reports it.

    ``data``: what 3 refused, an object for the first line or a list of one for each.
    """

    error: str = ""
    message: str = ""
    version: str = ""
    data: Any = None


def error_of(status: int, body: bytes) -> MonitorError:
    """The error for an HTTP status of 300 or more.

    1.x and 3 answer a partial write with 400, 2.x with 422. 3 answers a body that is too large with
    500.
    """
    whole = _decoded(body)
    message = whole.error or whole.message or body.decode(errors="replace")
    if status in (401, 403):
        return not_allowed(f"{status} {printable(message)}")
    if status in (404, 405):
        return _not_there(status, message)
    if status == 413 or "max request size" in message:
        return TooLarge(f"influxdb: {printable(message)}", status)
    if status in (400, 422) and "partial write" in message:
        return _partial_write(message, whole.data)
    if status in (408, 429) or status >= 500 or means_too_many_files(message):
        return query_error(message, f"{status} ")
    return Rejected(f"influxdb: {status} {printable(f'{message} {_example(whole.data)}')}", status)


def _not_there(status: int, message: str) -> MonitorError:
    if means_missing(message):
        return DatabaseMissing(f"influxdb: {printable(message)}", status)
    return no_influxdb(f"{status} {printable(message)}")


def no_influxdb(details: str) -> Misconfigured:
    """The error where something else answers."""
    problem = "what answers at INFLUXDB_URL is no InfluxDB: correct INFLUXDB_URL"
    return Misconfigured("influxdb", problem, details)


def not_allowed(details: str) -> NotAllowed:
    """The error where the token is wrong, or may not do what was asked."""
    problem = "it refuses INFLUXDB_TOKEN, or that may do too little: correct INFLUXDB_TOKEN"
    return NotAllowed("influxdb", problem, details)


def query_error(message: str, prefix: str = "") -> MonitorError:
    """The error for a query that failed, which comes inside an HTTP 200.

    Our queries are valid, so the server has hit a limit of its own.
    """
    text = f"{prefix}{printable(message)}"
    if "authorized" in message:  # 2.x and 1.x: "unauthorized", "not authorized"
        return not_allowed(text)
    if means_too_many_files(message):
        return TooManyFiles("influxdb", text)
    return Unavailable("influxdb", text)


def version_in(body: bytes) -> str:
    """The version that 3 names in the body of /ping; empty where there is none."""
    return _decoded(body).version


def means_missing(message: str) -> bool:
    """1.x and 3: "database not found"; 2.x: "no dbrp mapping found", "retention policy not found",
    "bucket ... not found"."""
    return "not found" in message or "no dbrp mapping" in message


def means_too_many_files(message: str) -> bool:
    """3 Core: "Query would scan 432 Parquet files, exceeding the file limit"."""
    return "file limit" in message


def _partial_write(message: str, data: Any) -> PartialWrite:
    """The number stands at the end of a long message (1.x, 2.x), or is that of the lines (3)."""
    if isinstance(data, list):
        example = _example(data)
        return PartialWrite(printable(example or message), len(data), _reason(example))
    match = _DROPPED.search(message)
    return PartialWrite(printable(message), int(match[1]) if match else None, _reason(message))


def _example(data: Any) -> str:
    """What 3 says of the first line that it refused, and that line."""
    first = next(iter(data), None) if isinstance(data, list) else data
    if not isinstance(first, dict):
        return ""
    words = (first.get("error_message"), first.get("original_line"))
    return ": ".join(word for word in words if isinstance(word, str))


def _reason(message: str) -> DropReason:
    if "retention" in message.lower():
        return DropReason.BEYOND_RETENTION
    return DropReason.FIELD_CONFLICT if "type" in message else DropReason.REFUSED


def _decoded(body: bytes) -> _Message:
    try:
        return msgspec.json.decode(body, type=_Message)
    except msgspec.MsgspecError:
        return _Message()
