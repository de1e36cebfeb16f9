"""Converts a CSV file of websites, as spreadsheets save it, to the lines of a bulk import. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import msgspec

from monitor.domain.errors import MonitorError
from monitor.domain.outcome import printable
from monitor.resources.lines import MAX_LINE_BYTES
from monitor.resources.website_csv import COLUMNS, is_blank, read_row

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
"""What stands between the cells of a row, and its name."""

_SEP_LINE = re.compile(r'"?sep=([,;\t])"?\s*', re.IGNORECASE)
"""A first line that tells a spreadsheet the separator."""

MAX_LINE_CHARS = 16 * MAX_LINE_BYTES
"""Of the file; what becomes of it is at most MAX_LINE_BYTES long."""

_HEADER_CHARS = 10_000
"""How much of a header decides on the separator."""

_MAX_PROBLEMS = 20


class BadCsv(MonitorError):
    """The file is not a table of websites; the message names lines and columns."""


class Table:
    """A table of websites, whose header has been read.

    ``text``: the lines of the file with their line breaks; invalid UTF-8 as lone surrogates. Lines
    of more than MAX_LINE_CHARS may be cut, as they are refused.
    ``separator``: one of SEPARATORS, from a line ``sep=``, or else from the header. Raises BadCsv
    for an invalid header.
    """

    def __init__(self, text: Iterable[str]) -> None:
        csv.field_size_limit(MAX_LINE_BYTES)
        lines = _bounded(text)
        self._lines_before, first, self.separator = _begin(lines)
        self._reader = csv.reader(chain([first], lines), delimiter=self.separator, strict=True)
        number, cells = next(self._rows(), (1, []))
        self._header = _header(cells, number)

    def ndjson(self) -> Iterator[bytes]:
        """The rows as lines of NDJSON.

        Each object is on the line on which its row begins, and all other lines are empty, so line
        numbers match those of the file. Raises BadCsv, at the end for rows that do not fit the
        header. The API validates the values of the cells.
        """
        problems: list[str] = []
        yield b"\n" * self._line
        for number, cells in self._rows():
            line, problem = _line(self._header, cells)
            if problem is not None and len(problems) <= _MAX_PROBLEMS:
                problems.append(f"line {number}{problem}")
            yield line + b"\n" * (self._line + 1 - number)
        if problems:
            more = ["..."] if len(problems) > _MAX_PROBLEMS else []
            raise BadCsv("\n  ".join([*problems[:_MAX_PROBLEMS], *more]))

    @property
    def _line(self) -> int:
        """How many lines have been read."""
        return self._lines_before + self._reader.line_num

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows, each with the number of its first line."""
        while True:
            number = self._line + 1
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                raise BadCsv(f"line {self._line}: is not CSV: {error}") from None
            if cells is None:
                return
            yield number, cells


def _bounded(text: Iterable[str]) -> Iterator[str]:
    """The lines, unless one is longer than any row: a file without line breaks is not a table."""
    for number, line in enumerate(text, 1):
        if len(line) > MAX_LINE_CHARS:
            raise BadCsv(f"line {number}: is longer than {MAX_LINE_CHARS} characters")
        yield line


def _begin(lines: Iterator[str]) -> tuple[int, str, str]:
    """How many lines stand before the header, the header's first line, and the separator."""
    separator, number = None, 0
    for number, line in enumerate(lines):
        directive = _SEP_LINE.fullmatch(line)
        if directive is not None and separator is None:
            separator = directive[1]
        elif line.strip(' \t\r\n",;'):
            return number, line, separator or _sniffed(line)
    return number, "", separator or ","


def _sniffed(header: str) -> str:
    """The separator that finds most names of columns; a comma if none finds more."""

    def columns_named(separator: str) -> int:
        cells = next(csv.reader([header[:_HEADER_CHARS]], delimiter=separator), [])
        return sum(_name(cell) in COLUMNS for cell in cells)

    return max(SEPARATORS, key=columns_named)


def _name(cell: str) -> str:
    return cell.strip().lower()


def _header(cells: Sequence[str], line: int) -> list[str]:
    """The names of the columns; "" for a column without a name, whose cells must be blank."""
    names = [_name(cell) for cell in cells]
    if not any(names):
        raise BadCsv(f"line {line}: must name the columns, as `monitor export` does")
    for number, name in enumerate(names, 1):
        if name and name not in COLUMNS:
            raise BadCsv(
                f"line {line}, column {number}: {printable(cells[number - 1][:80])!r} is not a "
                f"column of websites. They are: {', '.join(COLUMNS)}"
            )
        if name and name in names[: number - 1]:
            raise BadCsv(f"line {line}, column {number}: {name!r} is named twice")
    if "url" not in names:
        raise BadCsv(f"line {line}: the column url is missing")
    return names


def _line(header: Sequence[str], cells: Sequence[str]) -> tuple[bytes, str | None]:
    """The JSON object for a row (b"" for a blank row), or what is wrong with it and where."""
    if all(map(is_blank, cells)):
        return b"", None
    problem = _misfit(header, cells)
    if problem is not None:
        return b"", problem
    record = read_row({n: cell for n, cell in zip(header, cells, strict=False) if n})
    try:
        return msgspec.json.encode(record), None
    except UnicodeEncodeError:
        bad = next(n for n, cell in enumerate(cells) if not _is_unicode(cell))
        return b"", f", column {bad + 1} ({header[bad]}): is not UTF-8; save the table as UTF-8"


def _misfit(header: Sequence[str], cells: Sequence[str]) -> str | None:
    """What is wrong with a row that does not fit the header, and where."""
    if len(cells) < len(header):
        return f", column {len(cells) + 1} ({header[len(cells)] or 'no name'}): is missing"
    for number, cell in enumerate(cells, 1):
        if number > len(header) and not is_blank(cell):
            return f", column {number}: there are only {len(header)} columns"
        if number <= len(header) and not header[number - 1] and not is_blank(cell):
            return f", column {number}: has no name in the header"
    return None


def _is_unicode(cell: str) -> bool:
    try:
        return bool(cell.encode()) or True
    except UnicodeEncodeError:
        return False
