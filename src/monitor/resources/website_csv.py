"""Websites as rows of a CSV file (RFC 4180). Pure.

A row and the object that POST /websites takes say the same: ``read_row(row(x)) == x``.

- Lists are joined by ``;``. An empty cell of ``regions`` stands for all regions, one of
  ``external_id`` for none.
- ``request_headers`` is a JSON object.
- A cell that a spreadsheet would take for a formula, because it begins with = + - @, a tab or a
  line break, has a ``'`` put before it; so has one that begins with ``'`` by itself. Reading takes
  one ``'`` off again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

COLUMNS = (
    "id",
    "url",
    "name",
    "regions",
    "check_frequency",
    "request_timeout",
    "http_method",
    "request_headers",
    "request_body",
    "expected_status_codes",
    "follow_redirects",
    "verify_ssl",
    "paused",
    "alert_emails",
    "external_id",
)

_LISTS = frozenset({"regions", "expected_status_codes", "alert_emails"})
_NULL_IF_EMPTY = frozenset({"regions", "external_id"})
_NUMBERS = frozenset({"check_frequency", "request_timeout"})
_BOOLEANS = frozenset({"follow_redirects", "verify_ssl", "paused"})
_GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def text(rows: Iterable[Sequence[str]]) -> str:
    """Rows as the lines of a file."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue()


def row(website: Mapping[str, Any]) -> list[str]:
    """The cells of a website, in the order of COLUMNS."""
    return [_guarded(_cell(website[name])) for name in COLUMNS]


def read_row(cells: Mapping[str, str]) -> dict[str, Any]:
    """The object to send for a row, by the names in the file's header; the reverse of ``row``.

    Cells that are not what their column holds are left as they are, for the API to refuse.
    """
    return {name: _value(name, _unguarded(cell)) for name, cell in cells.items()}


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict():
            return msgspec.json.encode(value).decode()
        case list() | tuple():
            return ";".join(map(str, value))
        case _:
            return str(value)


def _value(name: str, cell: str) -> Any:
    if cell == "" and name in _NULL_IF_EMPTY:
        return None
    if name in _LISTS:
        return [_code(item) for item in cell.split(";")] if cell else []
    if name in _BOOLEANS:
        return {"true": True, "false": False}.get(cell, cell)
    if name in _NUMBERS:
        return _code(cell)
    return _json_or_text(cell) if name == "request_headers" else cell


def _code(item: str) -> int | str:
    return int(item) if item.isascii() and item.isdigit() else item


def _json_or_text(cell: str) -> Any:
    try:
        return msgspec.json.decode(cell)
    except msgspec.DecodeError:
        return cell


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_GUARDED) else cell


def _unguarded(cell: str) -> str:
    return cell.removeprefix("'")
