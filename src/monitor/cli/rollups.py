"""`monitor rollups`: hours and days that are made again."""

# ruff: noqa: PLC0415 - `monitor --help` must be fast: heavy modules are imported inside

from __future__ import annotations

import datetime as dt
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from monitor.cli.commands import bar, reached_stores
from monitor.domain.errors import MonitorError

if TYPE_CHECKING:
    from monitor.services.reports.roll_ups import Rebuilt

_HOUR = "%Y-%m-%dT%H:%MZ"
_DAY = "%Y-%m-%d"
_NAMED = 5
"""So many of the hours or days that were left are named; of more, the first and the last one."""


def rebuild(arguments: Namespace) -> None:
    """Make the hours and days of a span again, and name those that were left as they are."""
    import time

    from monitor.cli import aio as cli_loop
    from monitor.runtime import logging
    from monitor.services.reports.roll_ups import RollUps, kept_days
    from monitor.services.websites.hourly_figures import HourlyFigures
    from monitor.storage.postgres.pool import make_pool
    from monitor.storage.redis.client import client
    from monitor.storage.redis.tick_buffer import TickBuffer
    from monitor.storage.timeseries.open import open_tick_store

    since, until = _span(arguments)
    logging.configure("rollups", "warning")
    settings = reached_stores()

    async def run() -> Rebuilt:
        async with (
            make_pool(settings.need("DATABASE_URL"), max_size=4) as pool,
            client(settings.need("REDIS_URL")) as redis,
        ):
            store = open_tick_store(settings, pool)
            try:
                buffer = TickBuffer(redis, settings.monitor_tick_buffer_bytes)
                roll_ups = RollUps(
                    store, buffer, pool, kept_days(settings), time.time,
                    repeated=HourlyFigures(pool, store).mend,
                )  # fmt: skip
                with bar("Rolling up", unit="roll-ups") as progress:
                    return await roll_ups.rebuild(since, until, progress)
            finally:
                await store.close()

    print("\n".join(report(cli_loop.run(run()))))


def _span(arguments: Namespace) -> tuple[int, int]:
    """The span in Unix seconds. Raises MonitorError where it is none."""
    since = _time("--from", arguments.since)
    until = dt.datetime.now(dt.UTC) if arguments.until is None else _time("--to", arguments.until)
    if since >= until:
        raise MonitorError(f"--from {since:{_HOUR}} is not before --to {until:{_HOUR}}.")
    return int(since.timestamp()), int(until.timestamp())


def _time(option: str, text: str) -> dt.datetime:
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise MonitorError(
            f"{option} {text!r} is no date or time: give 2026-11-30 or 2026-11-30T14:00Z."
        ) from None
    return at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at.astimezone(dt.UTC)


def report(rebuilt: Rebuilt) -> list[str]:
    """What was done, in lines."""
    lines = [f"Made {rebuilt.hours} hours and {rebuilt.days} days again."]
    for what, left, form in (
        ("hours", rebuilt.hours_left, _HOUR),
        ("days", rebuilt.days_left, _DAY),
    ):
        if left:
            lines.append(
                f"{len(left)} {what} were left as they are, as what they are made of is not all "
                f"kept any more, or they are not over: {_named(left, form)}."
            )
    return lines


def _named(starts_s: Sequence[int], form: str) -> str:
    names = [dt.datetime.fromtimestamp(s, dt.UTC).strftime(form) for s in starts_s]
    return ", ".join(names if len(names) <= _NAMED else [names[0], "...", names[-1]])
