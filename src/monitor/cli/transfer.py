"""`monitor import` and `monitor export`: websites from and to files, through the API."""

# ruff: noqa: PLC0415 - `monitor --help` must be fast: heavy modules are imported inside

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
import time
import uuid
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from monitor.cli.stack_settings import settings_or_stacks
from monitor.domain.errors import MonitorError, SettingsError
from monitor.runtime.settings import load
from monitor.runtime.settings_parsers import plain_url
from monitor.runtime.terminal import TerminalBytes, single_line

if TYPE_CHECKING:
    from tqdm import tqdm

    from monitor.cli.client import Access, Upload

_MAX_SHOWN = 20
_STATUS_TIMEOUT_S = 15.0


def import_websites(arguments: Namespace) -> int:
    """Import a file; returns the exit code: 1 where lines failed."""
    from monitor.cli.aio import run
    from monitor.cli.client import Interrupted

    access = api_access(arguments)
    key = arguments.resume or uuid.uuid4().hex
    began = time.monotonic()
    with _lines(arguments) as file, _failures_file(arguments.failures) as failures:
        try:
            result = run(_import(access, file, key, arguments, failures))
        except (KeyboardInterrupt, Interrupted):
            _print_how_to_resume(access, key, arguments)
            raise
    _print_failures(result, arguments.failures)
    _print_summary(result, time.monotonic() - began)
    return 1 if result["failed"] else 0


def api_access(arguments: Namespace) -> Access:
    """From the options, else from the settings, else from the local stack.

    If one of them is set, none of the stack's are used: its key must not be sent to another URL.
    """
    from monitor.cli.client import Access

    settings = load()
    url = arguments.url or settings.monitor_url
    key = arguments.key or settings.monitor_api_key
    if not url and not key:
        stacks = settings_or_stacks("MONITOR_URL", "MONITOR_API_KEY")
        url, key = stacks.monitor_url, stacks.monitor_api_key
    if not url:
        raise SettingsError("Where is the API? Give --url or set MONITOR_URL.")
    if not key:
        raise SettingsError("An API key is needed: set MONITOR_API_KEY or give --key.")
    try:
        plain_url("http", "https")(url)
    except ValueError as error:
        raise SettingsError(f"The URL of the API {error}.") from None
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise SettingsError("The API key must be one word, as `monitor keys create` prints it.")
    return Access(url, key)


@contextlib.contextmanager
def _lines(arguments: Namespace) -> Iterator[BinaryIO]:
    """The lines to send, as a seekable file."""
    with contextlib.ExitStack() as stack:
        if arguments.file == "-":
            file: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(sys.stdin.buffer, file)
            file.seek(0)
        else:
            file = stack.enter_context(_opened(arguments.file))
        if _format(arguments, file) == "csv":
            converted = stack.enter_context(tempfile.TemporaryFile())
            _convert(file, converted, arguments.file)
            file = converted
        yield file


def _opened(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise MonitorError(f"{path} cannot be read: {error.strerror}.") from None


def _format(arguments: Namespace, file: BinaryIO) -> str:
    """From the option, else from the extension, else from the first bytes of the file."""
    from monitor.resources.encodings import encoding_of

    first = file.read(4096)
    file.seek(0)
    start = first.decode(encoding_of(first), errors="replace").lstrip()
    suffix = Path(arguments.file).suffix.lower()
    by_suffix = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}.get(suffix)
    by_content = "ndjson" if start[:1] in ("{", "[", "") else "csv"
    name = str(arguments.format or by_suffix or by_content)
    if name == "ndjson" and start.startswith("["):
        raise MonitorError(f"{arguments.file} is a JSON array: write one object per line instead.")
    return name


def _convert(file: BinaryIO, converted: BinaryIO, name: str) -> None:
    """Write a CSV file as NDJSON. Raises MonitorError before anything is sent."""
    import io

    from monitor.resources.encodings import encoding_of
    from monitor.services.bulk.csv_lines import MAX_LINE_CHARS, BadCsv, Table

    encoding = encoding_of(file.read(4))
    file.seek(0)
    # What is invalid becomes lone surrogates, which the table names by line and column.
    errors = "surrogateescape" if encoding.startswith("utf-8") else "surrogatepass"
    text = io.TextIOWrapper(file, encoding, errors=errors, newline="")
    try:
        table = Table(iter(partial(text.readline, MAX_LINE_CHARS + 1), ""))
        converted.writelines(table.ndjson())
    except BadCsv as error:
        raise MonitorError(f"{name}, {error}\nNothing was sent.") from None
    except UnicodeDecodeError:
        raise MonitorError(f"{name} is not text in UTF-16. Nothing was sent.") from None
    finally:
        text.detach()
    converted.seek(0)
    _print_reading(name, encoding, table.separator)


def _print_reading(name: str, encoding: str, separator: str) -> None:
    """Print how a table was read, unless it is as `monitor export` writes it."""
    from monitor.services.bulk.csv_lines import SEPARATORS

    parts = [] if separator == "," else [f"cells separated by {SEPARATORS[separator]}"]
    parts += [] if encoding.startswith("utf-8") else ["text in UTF-16"]
    if parts:
        print(f"{name} was read as a table with {' and '.join(parts)}.", file=sys.stderr)


@contextlib.contextmanager
def _failures_file(path: str | None) -> Iterator[BinaryIO | None]:
    """Opened before anything is sent: an error after a million lines would be too late."""
    if path is None:
        yield None
        return
    try:
        file = Path(path).open("wb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise MonitorError(f"{path} cannot be written: {error.strerror}.") from None
    with file:
        yield file


async def _import(
    access: Access, file: BinaryIO, key: str, arguments: Namespace, failures: BinaryIO | None
) -> dict[str, Any]:
    from monitor.cli.client import client

    size = file.seek(0, os.SEEK_END)
    with _bar("Importing", size) as bar:
        async with client(access) as api:
            result = await api.import_lines(_upload(file, key, arguments, bar))
            if failures is not None and result["failed"]:
                async for block in api.failures(result["id"]):
                    failures.write(block)
    return result


def _bar(title: str, size: int | None = None) -> tqdm[Any]:
    """A progress bar, shown only on a terminal."""
    from tqdm import tqdm

    return tqdm(desc=title, total=size, unit="B", unit_scale=True, file=sys.stderr, disable=None)


def _upload(file: BinaryIO, key: str, arguments: Namespace, bar: tqdm[Any]) -> Upload:
    from monitor.cli.client import Upload

    def on_progress(position: int) -> None:
        bar.update(position - bar.n)

    def on_wait(reason: str, wait_s: int) -> None:
        bar.clear()
        print(f"monitor: {single_line(reason)} Resuming in {wait_s} s.", file=sys.stderr)

    return Upload(file, key, dry_run=arguments.dry_run, on_progress=on_progress, on_wait=on_wait)


def _print_how_to_resume(access: Access, key: str, arguments: Namespace) -> None:
    """Print how many lines are imported, and how to resume."""
    import asyncio

    from monitor.cli.aio import run
    from monitor.cli.client import client

    async def status() -> dict[str, Any] | None:
        async with asyncio.timeout(_STATUS_TIMEOUT_S), client(access) as api:
            return await api.idle_import(key)

    try:
        document = run(status())
    except (MonitorError, TimeoutError):
        print("The number of imported lines is unknown.", file=sys.stderr)
    else:
        lines = document["lines"] if document else 0
        dry = " of a dry run" if arguments.dry_run else ""
        print(f"Stopped after {lines} lines{dry}.", file=sys.stderr)
        if not document:
            return
    dry = " --dry-run" if arguments.dry_run else ""
    command = f"monitor import {shlex.quote(arguments.file)}{dry} --resume {shlex.quote(key)}"
    print(f"To resume with the same file: {command}", file=sys.stderr)


def _print_failures(result: dict[str, Any], path: str | None) -> None:
    for failed in result["failures"][:_MAX_SHOWN]:
        for error in failed["errors"]:
            problem = single_line(f"{error['field']}: {error['message']}")
            print(f"line {failed['line']}: {problem}", file=sys.stderr)
    if result["failed"] > _MAX_SHOWN:
        where = f"all are in {path}" if path else "--failures FILE writes all"
        print(f"... and {result['failed'] - _MAX_SHOWN} more lines; {where}", file=sys.stderr)


def _print_summary(result: dict[str, Any], seconds: float) -> None:
    what = "Dry run, nothing was changed" if result["dry_run"] else "Imported"
    counts = ", ".join(f"{result[n]} {n}" for n in ("created", "updated", "unchanged", "failed"))
    print(f"{what}: {counts}, in {seconds:.1f} s.")


def export_websites(arguments: Namespace) -> None:
    """Export to a file atomically, or to standard output."""
    from monitor.cli.aio import run

    access = api_access(arguments)
    began = time.monotonic()
    if arguments.file in (None, "-"):
        run(_export(access, arguments, standard_output()))
        return
    with _written(Path(arguments.file)) as file:
        count = run(_export(access, arguments, file))
    took_s = time.monotonic() - began
    print(f"Exported {count} websites to {arguments.file} in {took_s:.1f} s.")


def standard_output() -> BinaryIO | TerminalBytes:
    """Raw output; on a terminal with control characters escaped."""
    return TerminalBytes(sys.stdout) if sys.stdout.isatty() else sys.stdout.buffer


async def _export(access: Access, arguments: Namespace, out: BinaryIO | TerminalBytes) -> int:
    """Returns how many websites there were."""
    from monitor.cli.client import client
    from monitor.resources.lines import RowCount

    filters = {name: getattr(arguments, name) for name in ("region", "paused", "q")}
    query = {name: value for name, value in filters.items() if value is not None}
    is_csv = arguments.file is not None and arguments.file.lower().endswith(".csv")
    query["format"] = arguments.format or ("csv" if is_csv else "ndjson")
    count = RowCount(csv=query["format"] == "csv")
    with _bar("Exporting") as bar:
        async with client(access) as api:
            async for block in api.export(query):
                out.write(block)
                count.add(block)
                bar.update(len(block))
    out.flush()
    return count.rows


@contextlib.contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name once it is complete, readable only by its owner, because URLs may
    contain secrets. Special files such as /dev/null are written to directly."""
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as there:
                yield there
            return
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        raise MonitorError(f"{path} cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
