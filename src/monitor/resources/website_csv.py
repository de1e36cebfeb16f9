"""Websites as rows of a CSV file (RFC 4180) that may pass through a spreadsheet. Pure.

A row is equivalent to the object that POST /websites accepts: ``read_row(row(x)) == x``. The wire
type of a field determines the format of its cells:

- Arrays are joined by ``;``, objects are JSON, booleans are ``true`` or ``false``.
- A blank cell means that the field is not given.
- A value that is empty is a word: ``all`` for all regions, else ``none``.
- Text that a spreadsheet would take for a number, a date, a boolean or a formula is prefixed with
  ``'``; so is text that would be read as another text. See ``resources.spreadsheets``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import NoneType
from typing import Any, get_args, get_origin

import msgspec

from monitor.resources.check_options import KINDS
from monitor.resources.fields import Declared
from monitor.resources.spreadsheets import FALSE, TRUE, Guard
from monitor.resources.website import fields_of

_FIELDS: dict[str, Declared] = {n: one for kind in KINDS for n, one in fields_of(kind).items()}

COLUMNS = ("id", *_FIELDS, "kind")

_MAX_DIGITS = 18
"""More than any number here may have, and fewer than Python refuses to read."""

_guard = Guard(one.field.empty_word for one in _FIELDS.values())


def text(rows: Iterable[Sequence[str]]) -> str:
    """Rows as the text of a CSV file."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue()


def row(website: Mapping[str, Any]) -> list[str]:
    """The cells of a website, in the order of COLUMNS; blank for fields of other kinds."""
    return [_cell(name, website[name]) if name in website else "" for name in COLUMNS]


def read_row(cells: Mapping[str, str]) -> dict[str, Any]:
    """The object for a row, given as {column: cell}; the inverse of ``row``.

    Cells that do not have their column's type are left unchanged; the API refuses them.
    """
    return {name: _value(name, cell) for name, cell in cells.items() if not is_blank(cell)}


def is_blank(cell: str) -> bool:
    """Whether a cell says nothing."""
    return not cell or cell.isspace()


def _cell(name: str, value: Any) -> str:
    if not value and not isinstance(value, int) and name in _FIELDS:
        return _FIELDS[name].field.empty_word
    return _WRITERS[_SHAPES[name]](value)


def _value(name: str, cell: str) -> Any:
    one, shape = _FIELDS.get(name), _SHAPES[name]
    if one is not None and shape in _EMPTY and cell.strip().lower() == one.field.empty_word:
        return None if NoneType in get_args(one.wire) else _EMPTY[shape]()
    return _READERS[shape](_guard.take_off(cell))


def _shape(wire: Any) -> str:
    """The name of a type, ignoring null: ``list``, ``codes`` if numbers are among the items of the
    list, ``dict``, ``bool``, ``int`` or ``str``."""
    parts = [part for part in get_args(wire) if part is not NoneType]
    if parts and get_origin(wire) not in (list, dict):
        return _shape(parts[0])
    if get_origin(wire) is list and int in get_args(parts[0]):
        return "codes"
    return str((get_origin(wire) or wire).__name__)


_SHAPES = {"id": "word", "kind": "word"} | {n: _shape(one.wire) for n, one in _FIELDS.items()}

_EMPTY: dict[str, Callable[[], Any]] = {"str": str, "list": list, "codes": list, "dict": dict}


_WRITERS: dict[str, Callable[[Any], str]] = {
    "str": _guard.put,
    "list": lambda items: _guard.put(";".join(items)),
    "codes": lambda items: ";".join(map(str, items)),  # which no spreadsheet changes
    "dict": lambda value: msgspec.json.encode(value).decode(),
    "bool": lambda value: "true" if value else "false",
    "int": str,
    "word": str,
}


def _code(item: str) -> int | str:
    is_number = item.isascii() and item.isdigit() and len(item) <= _MAX_DIGITS
    return int(item) if is_number else item


def _boolean(cell: str) -> bool | str:
    word = cell.lower()
    return word in TRUE if word in TRUE | FALSE else cell


def _json_or_text(cell: str) -> Any:
    try:
        return msgspec.json.decode(cell)
    except msgspec.DecodeError:
        return cell


def _items(cell: str) -> list[str]:
    return [item.strip() for item in cell.split(";") if not is_blank(item)]


_READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "list": _items,
    "codes": lambda cell: [_code(item) for item in _items(cell)],
    "dict": _json_or_text,
    "bool": _boolean,
    "int": _code,
    "word": str,
}
