"""What rolling up an hour and a day costs, and who waits meanwhile: a few minutes.

    python -m bench.rollups [--store influx|postgres] [--websites 100000] [--checks 20]
                            [--no-rest] [--no-questions] [--no-hour] [--no-day] [--phases]

Fills a tick store of its own with an hour of ticks and rolls it up as a central worker does, with
the schedules of as many websites from a Postgres of its own, and asks ten times a second for a
website's last day meanwhile. Then it prepares the other hours of a day, without ticks, and rolls up
the day. Prints a line each. ``--phases``: what reading the ticks costs InfluxDB, and the same with
their phases.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from monitor.domain.ids import ring_position, uuid7
from monitor.domain.outcome import Tick, Timings
from monitor.domain.ring import slots_of_position
from monitor.domain.schedule import Schedule
from monitor.domain.series import DAY_S, HOUR_S
from monitor.local.postgres import EmbeddedPostgres
from monitor.runtime.process import collect_garbage_rarely
from monitor.storage.postgres import schedules
from monitor.storage.postgres.migrations import migrate
from monitor.storage.postgres.pool import Pool, make_pool, session
from monitor.storage.timeseries import influxql, line_protocol
from monitor.storage.timeseries.influxdb import InfluxTicks
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from monitor.storage.timeseries.postgres import PostgresTicks
from monitor.storage.timeseries.throttle import Throttle
from monitor.storage.timeseries.totals import Totals

from . import figures, proc
from .influx_alone import influxd_alone
from .servers import open_way
from .stores import BUCKET

_AT_ONCE = 5000
_EVERY_S = 0.1
_NEVER_S = 3600.0
_REGION = "r"

_WEBSITES = """
    INSERT INTO websites (id, url, name, all_regions, check_frequency, options, alert_emails,
                          created_at)
    SELECT id, 'https://a.example', 'a', true, %(every)s, '{"kind": "http"}', '{}',
           now() - interval '90 days' FROM unnest(%(ids)s::uuid[]) id
"""
_PERIODS = """
    INSERT INTO website_periods (website_id, since, check_frequency)
    SELECT id, created_at, check_frequency FROM websites
"""


class Bench(Struct, frozen=True):
    """A store to measure. ``roots``: the processes that work, by name; ours is their parent."""

    store: InfluxTicks | PostgresTicks
    http: InfluxHttp | None
    pool: Pool
    roots: Mapping[str, int]
    options: argparse.Namespace

    @property
    def every_s(self) -> int:
        return int(HOUR_S // self.options.checks)

    async def schedules(
        self, ids: Sequence[UUID], since_s: int, until_s: int
    ) -> Mapping[UUID, Schedule]:
        async with session(self.pool) as connection:
            return await schedules.fetch_known(connection, ids, since_s, until_s)


async def _no_rest(_seconds: float) -> None:
    """Go on at once."""


def _totals(bench: Bench, website: UUID, hour_s: int, chance: random.Random) -> Totals:
    """An hour of a website: every slot is measured, around a response time of its own."""
    slots = slots_of_position(ring_position(website), bench.every_s, hour_s, hour_s + HOUR_S)
    usual_ms = 20.0 + website.int % 400
    times_ms = [usual_ms * chance.lognormvariate(0.0, 0.15) for _ in slots]
    return Totals(website, _REGION, len(slots), len(slots), 0, times_ms, slots)


def _tick(website: UUID, slot_s: int, ms: float) -> Tick:
    return Tick(website, _REGION, slot_s, True, None, 200, ms, Timings(1.0, 2.0, wait_ms=ms - 3.0))


async def _fill_ticks(bench: Bench, ids: Sequence[UUID], hour_s: int) -> None:
    chance = random.Random(1)
    for first in range(0, len(ids), _AT_ONCE // bench.options.checks):
        part = ids[first : first + _AT_ONCE // bench.options.checks]
        totals = [_totals(bench, website, hour_s, chance) for website in part]
        await bench.store.write(
            [
                Tick(
                    t.website_id, _REGION, slot_s, True, None, 200, ms, Timings(1.0, wait_ms=ms - 1)
                )
                for t in totals
                for slot_s, ms in zip(t.filled_s, t.responses_ms, strict=True)
            ]
        )


async def _fill_hour(bench: Bench, ids: Sequence[UUID], hour_s: int) -> None:
    """Roll-ups of an hour, without its ticks."""
    chance = random.Random(hour_s)
    for first in range(0, len(ids), _AT_ONCE):
        part = ids[first : first + _AT_ONCE]
        totals = [_totals(bench, website, hour_s, chance) for website in part]
        due = await bench.schedules(part, hour_s, hour_s + HOUR_S)
        await bench.store.store_hours(totals, hour_s, due)


async def _keep_asking(bench: Bench, website: UUID, now_s: int, into_ms: list[float]) -> None:
    while True:
        began = time.monotonic()
        await bench.store.raw_buckets(website, None, now_s - DAY_S, now_s, HOUR_S)
        into_ms.append((time.monotonic() - began) * 1000)
        await asyncio.sleep(_NEVER_S if bench.options.no_questions else _EVERY_S)


async def _measured(
    bench: Bench, website: UUID, now_s: int, work: Callable[[], Awaitable[object]]
) -> tuple[float, dict[str, float], list[float]]:
    """Seconds, CPU of each process in us, and what questions waited for meanwhile, in ms."""
    roots = {**bench.roots, "ours": os.getpid()}
    waits_ms = list[float]()
    asking = asyncio.create_task(_keep_asking(bench, website, now_s, waits_ms))
    before, began = proc.cpu_us(roots), time.monotonic()
    await work()
    took_s, after = time.monotonic() - began, proc.cpu_us(roots)
    asking.cancel()
    used = {name: float(after[name] - before[name]) for name in roots}
    used["ours"] -= sum(used[name] for name in bench.roots)  # which are children of this process
    return took_s, used, waits_ms


async def _report(
    bench: Bench, what: str, ids: Sequence[UUID], now_s: int, work: Callable[[], Awaitable[object]]
) -> None:
    took_s, used, waits_ms = await _measured(bench, ids[0], now_s, work)
    each = ", ".join(f"{name} {us / len(ids):.0f}" for name, us in used.items())
    print(
        f"{what}: {took_s:.1f} s, {sum(used.values()) / took_s / 1e6:.2f} cores; us a website: "
        f"{each}, together {sum(used.values()) / len(ids):.0f}; a question meanwhile, ms: "
        f"p50 {figures.percentile(waits_ms, 50):.0f}, p99 {figures.percentile(waits_ms, 99):.0f}, "
        f"most {max(waits_ms):.0f}",
        flush=True,
    )


async def _read_part(bench: Bench, source: str, hour_s: int) -> None:
    """Read an hour of all websites, and sum up nothing."""
    assert bench.http is not None
    for ending in "0123456789abcdef":
        query = influxql.select_part(source, hour_s, hour_s + HOUR_S, ending)
        async for _ in bench.http.stream(BUCKET, query, _AT_ONCE):
            pass


async def _measure(bench: Bench) -> None:
    o, now_s = bench.options, int(time.time())
    day_s = now_s // DAY_S * DAY_S - DAY_S
    ids = [uuid7(now_s * 1000, os.urandom(10)) for _ in range(o.websites)]
    async with session(bench.pool) as connection:
        await connection.execute("INSERT INTO regions (name) VALUES (%s)", [_REGION])
        await connection.execute("INSERT INTO region_periods VALUES (%s, '2000-01-01')", [_REGION])
        await connection.execute(_WEBSITES, {"ids": ids, "every": bench.every_s})
        await connection.execute(_PERIODS)
        await connection.execute("ANALYZE")
    await bench.store.prepare()
    # As after the first day of a website: InfluxDB knows every series.
    await _fill_hour(bench, ids, day_s - HOUR_S)
    if not o.no_day:
        await bench.store.roll_up_day(day_s - DAY_S, bench.schedules)
    first, *others = (day_s + n * HOUR_S for n in range(24))
    if not o.no_hour:
        await _fill_ticks(bench, ids, first)
        if o.phases:
            for name, fields in (("hour's ticks", ""), ("with phases", _PHASES)):
                source = f"up,response_ms,out_of_turn{fields} FROM {line_protocol.TICKS}"
                await _report(bench, name, ids, now_s, lambda s=source: _read_part(bench, s, first))
        await _report(
            bench, "hour", ids, now_s, lambda: bench.store.roll_up(first, bench.schedules)
        )
    if not o.no_day:
        for hour_s in others if not o.no_hour else [first, *others]:
            await _fill_hour(bench, ids, hour_s)
        await _report(
            bench, "day", ids, now_s, lambda: bench.store.roll_up_day(day_s, bench.schedules)
        )


_PHASES = ",dns_ms,connect_ms,tls_ms,wait_ms,transfer_ms"


@contextmanager
def postgres_alone() -> Iterator[tuple[str, int]]:
    """A new database, migrated: its URL and the server's process id."""
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as name:
        open_way(Path(name))
        server = EmbeddedPostgres(Path(name) / "postgres")
        server.start()
        assert server.child is not None
        try:
            migrate(server.url("monitor"))
            yield server.url("monitor"), server.child.pid
        finally:
            server.stop()


async def _run(options: argparse.Namespace, url: str, roots: dict[str, int], influx: str) -> None:
    def throttle() -> Throttle:
        return Throttle(_no_rest if options.no_rest else asyncio.sleep)

    kept = {"raw_days": 30, "rollup_days": 400}
    async with make_pool(url) as pool:
        http = InfluxHttp(influx, None, None, compress=False) if influx else None
        store: InfluxTicks | PostgresTicks = PostgresTicks(pool, **kept, throttle=throttle)
        if http is not None:
            store = InfluxTicks(http, BUCKET, **kept, throttle=throttle)
        try:
            await _measure(Bench(store, http, pool, roots, options))
        finally:
            await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.rollups", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--store", choices=["influx", "postgres"], default="influx")
    for name, default in (("websites", 100_000), ("checks", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("no-rest", "no-questions", "no-hour", "no-day", "phases"):
        parser.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args()
    collect_garbage_rarely()  # as workers do
    with ExitStack() as stack:
        url, pid = stack.enter_context(postgres_alone())
        roots, influx = {"postgres": pid}, ""
        if options.store == "influx":
            influx, roots["influxd"] = stack.enter_context(influxd_alone(options.websites))
        asyncio.run(_run(options, url, roots, influx))


if __name__ == "__main__":
    main()
