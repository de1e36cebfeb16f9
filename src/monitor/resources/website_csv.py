"""Websites as rows of a CSV file (RFC 4180). Pure.

A row is equivalent to the object that POST /websites accepts: ``read_row(row(x)) == x``. The wire
type of a field determines the format of its cells:

- Arrays are joined by ``;``, objects are JSON, booleans are ``true`` or ``false``.
- An empty cell means null if the field's declaration says so: all regions, no external_id.
- A cell that a spreadsheet would read as a formula, because it begins with = + - @, a tab or a line
  break, is prefixed with ``'``; so is one that begins with ``'``. Reading removes one ``'``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, get_args, get_origin

import msgspec

from monitor.resources.check_options import DEFAULT_KIND, KINDS
from monitor.resources.fields import Declared
from monitor.resources.website import fields_of

_FIELDS: dict[str, Declared] = {n: one for kind in KINDS for n, one in fields_of(kind).items()}

COLUMNS = ("id", *_FIELDS, "kind")

_MAX_DIGITS = 18
"""More than any number here may have, and fewer than Python refuses to read."""

_ESCAPED_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def text(rows: Iterable[Sequence[str]]) -> str:
    """Rows as the text of a CSV file."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue()


def row(website: Mapping[str, Any]) -> list[str]:
    """The cells of a website, in the order of COLUMNS; empty for fields of other kinds."""
    return [_escape(_cell(website.get(name))) for name in COLUMNS]


def read_row(cells: Mapping[str, str]) -> dict[str, Any]:
    """The object for a row, given as {column: cell}; the inverse of ``row``.

    Cells that do not have their column's type are left unchanged; the API refuses them.
    """
    kind = cells.get("kind") or DEFAULT_KIND
    own = {"id", *fields_of(kind)} if kind in KINDS else cells.keys()
    return {
        name: _value(name, _unescape(cell))
        for name, cell in cells.items()
        if cell or name in own  # an empty cell of another kind's column says nothing
    }


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
    one = _FIELDS.get(name)
    if one is None:
        return cell
    if cell == "" and one.field.null_if_empty:
        return None
    return _READERS.get(_shape(one.wire), str)(cell)


def _shape(wire: Any) -> str:
    """The name of a type, ignoring null: ``list``, ``dict``, ``bool``, ``int`` or ``str``."""
    parts = [part for part in get_args(wire) if part is not type(None)]
    if parts and get_origin(wire) not in (list, dict):
        return _shape(parts[0])
    return str((get_origin(wire) or wire).__name__)


def _code(item: str) -> int | str:
    is_number = item.isascii() and item.isdigit() and len(item) <= _MAX_DIGITS
    return int(item) if is_number else item


def _json_or_text(cell: str) -> Any:
    try:
        return msgspec.json.decode(cell)
    except msgspec.DecodeError:
        return cell


_READERS: dict[str, Callable[[str], Any]] = {
    "list": lambda cell: [_code(item) for item in cell.split(";")] if cell else [],
    "dict": _json_or_text,
    "bool": lambda cell: {"true": True, "false": False}.get(cell, cell),
    "int": _code,
}


def _escape(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_ESCAPED_PREFIXES) else cell


def _unescape(cell: str) -> str:
    return cell.removeprefix("'")
