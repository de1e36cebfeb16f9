"""`monitor sync` makes the projection anew and says what it did."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from monitor.domain.ring import POSITIONS, Ring
from monitor.runtime.settings import TABLE


def _monitor_sync(directory, **settings):
    environment = dict(os.environ) | {s.name: "" for s in TABLE} | settings
    command = [sys.executable, Path(sysconfig.get_path("scripts")) / "monitor", "sync"]
    return subprocess.run(
        command, env=environment, cwd=directory, capture_output=True, text=True, check=False
    )


async def test_sync_writes_every_website_to_redis(world, database_url, redis_url, tmp_path):
    # given
    await world.add_region("europe")
    for _ in range(3):
        await world.add_website()
    # when
    done = _monitor_sync(tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url)
    # then
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Synced 3 websites to Redis in ")
    assert await world.projection.counts(Ring("europe", 180), [(0, POSITIONS)]) == [3]


def test_without_a_server_sync_ends_with_one_sentence(database_url, tmp_path):
    done = _monitor_sync(tmp_path, DATABASE_URL=database_url, REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("monitor: redis: ")
