"""`monitor rollups rebuild` makes hours and days again, and names those that it left."""

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from monitor.domain.series import DAY_S, HOUR_S
from monitor.runtime.settings import TABLE
from support.factories import SHOP, tick


def _rebuild(directory, *arguments, **settings):
    environment = dict(os.environ) | {s.name: "" for s in TABLE} | settings
    scripts = Path(sysconfig.get_path("scripts"))
    command = [sys.executable, scripts / "monitor", "rollups", "rebuild", *arguments]
    return subprocess.run(
        command, env=environment, cwd=directory, capture_output=True, text=True, check=False
    )


def _date(unix_s):
    return time.strftime("%Y-%m-%d", time.gmtime(unix_s))


async def test_it_rebuilds_across_the_edge_of_retention(world, database_url, redis_url, tmp_path):
    # given: five days of which the first two are not all kept; each got a tick after its roll-up
    today = int(time.time()) // DAY_S * DAY_S
    days = [today - n * DAY_S for n in (5, 4, 3, 2, 1)]
    for day in days:
        await world.ticks.write([tick(day + HOUR_S, 2.0)])
        await world.ticks.roll_up(day + HOUR_S)
        await world.ticks.roll_up_day(day)
        await world.ticks.write([tick(day + HOUR_S + 60, 4.0)])
    before = (await world.ticks.daily([SHOP], None, days[0], today))[SHOP]
    # when
    done = _rebuild(
        tmp_path, "--from", _date(days[0]), "--to", _date(today),
        DATABASE_URL=database_url, REDIS_URL=redis_url, MONITOR_RAW_DAYS="4",
    )  # fmt: skip
    # then
    assert done.returncode == 0, done.stderr
    after = (await world.ticks.daily([SHOP], None, days[0], today))[SHOP]
    assert after[:2] == before[:2]
    assert [d.checks for d in after] == [1, 1, 2, 2, 2]
    first, hours, left = done.stdout.splitlines()
    assert first.endswith("hours and 3 days again.")
    assert f"kept any more, or they are not over: {_date(days[0])}T00:00Z, ..., " in hours
    assert left.startswith("2 days were left")
    assert left.endswith(f": {_date(days[0])}, {_date(days[1])}.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "yesterday"), "--from 'yesterday' is no date or time: give 2026-11-30"),
        (("--from", "2026-11-30", "--to", "2026-11-30T00:00Z"), "is not before --to"),
    ],
)
def test_a_span_that_is_none_is_refused(tmp_path, arguments, words):
    done = _rebuild(tmp_path, *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
