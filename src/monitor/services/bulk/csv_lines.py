"""Converts a CSV file of websites to the lines of a bulk import. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from monitor.domain.errors import MonitorError
from monitor.domain.outcome import printable
from monitor.resources.lines import MAX_LINE_BYTES
from monitor.resources.website_csv import COLUMNS, read_row

_MAX_PROBLEMS = 20


class BadCsv(MonitorError):
    """The file is not a table of websites; the message names lines and columns."""


def ndjson(text: Iterable[str]) -> Iterator[bytes]:
    """Convert the lines of a CSV file, including their line breaks, to lines of NDJSON.

    Each object is on the line on which its row begins, and all other lines are empty, so line
    numbers match those of the file. Invalid UTF-8 must be given as lone surrogates.

    Raises BadCsv: at once for an invalid header, at the end for rows that do not fit it. The API
    validates the values of the cells.
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    reader = csv.reader(text, strict=True)
    problems: list[str] = []
    try:
        header = _header(next(reader, []))
        yield b"\n" * reader.line_num
        last = reader.line_num
        for cells in reader:
            line, problem = _line(header, cells)
            if problem is not None and len(problems) <= _MAX_PROBLEMS:
                problems.append(f"line {last + 1}{problem}")
            yield line + b"\n" * (reader.line_num - last)
            last = reader.line_num
    except csv.Error as error:
        raise BadCsv(f"line {reader.line_num}: is not CSV: {error}") from None
    if problems:
        more = ["..."] if len(problems) > _MAX_PROBLEMS else []
        raise BadCsv("\n  ".join([*problems[:_MAX_PROBLEMS], *more]))


def _header(cells: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if not any(names):
        raise BadCsv("line 1: must name the columns, as `monitor export` does")
    for number, name in enumerate(names, 1):
        if name not in COLUMNS:
            hint = "; cells are separated by commas" if ";" in name or "\t" in name else ""
            shown = printable(name[:80]) or "(no name)"
            raise BadCsv(
                f"line 1, column {number}: {shown!r} is not a column of websites{hint}. "
                f"They are: {', '.join(COLUMNS)}"
            )
        if name in names[: number - 1]:
            raise BadCsv(f"line 1, column {number}: {name!r} is named twice")
    if "url" not in names:
        raise BadCsv("line 1: the column url is missing")
    return names


def _line(header: Sequence[str], cells: Sequence[str]) -> tuple[bytes, str | None]:
    """The JSON object for a row (b"" for an empty row), or what is wrong with it and where."""
    if not cells:
        return b"", None
    if len(cells) > len(header):
        return b"", f", column {len(header) + 1}: there are only {len(header)} columns"
    if len(cells) < len(header):
        return b"", f", column {len(cells) + 1} ({header[len(cells)]}): is missing"
    record = read_row(dict(zip(header, cells, strict=True)))
    if record.get("id") == "":
        del record["id"]
    try:
        return msgspec.json.encode(record), None
    except UnicodeEncodeError:
        bad = next(n for n, cell in enumerate(cells) if not _is_utf8(cell))
        return b"", f", column {bad + 1} ({header[bad]}): is not UTF-8"


def _is_utf8(cell: str) -> bool:
    try:
        return bool(cell.encode()) or True
    except UnicodeEncodeError:
        return False
