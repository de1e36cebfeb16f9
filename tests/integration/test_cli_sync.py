"""`monitor sync` makes the projection anew and says what it did."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from monitor.domain.ring import POSITIONS, Ring
from monitor.runtime.settings import TABLE
from support.world import run


def _monitor_sync(directory, **settings):
    environment = dict(os.environ) | {s.name: "" for s in TABLE} | settings
    command = [sys.executable, Path(sysconfig.get_path("scripts")) / "monitor", "sync"]
    return subprocess.run(
        command, env=environment, cwd=directory, capture_output=True, text=True, check=False
    )


def test_sync_writes_every_website_to_redis(database_url, redis_url, tmp_path):
    # given
    async def three_websites(world):
        await world.add_region("europe")
        for _ in range(3):
            await world.add_website()

    run(three_websites, database_url, redis_url)
    # when
    done = _monitor_sync(tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url)
    # then
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Synced 3 websites to Redis in ")

    async def counted(world):
        return await world.projection.counts(Ring("europe", 180), [(0, POSITIONS)])

    assert run(counted, database_url, redis_url) == [3]


def test_without_a_server_sync_ends_with_one_sentence(database_url, tmp_path):
    done = _monitor_sync(tmp_path, DATABASE_URL=database_url, REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("monitor: redis: ")
