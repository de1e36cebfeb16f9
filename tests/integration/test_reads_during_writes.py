"""Changes that stand still, behind a lock or a disk, take no reader with them."""

import asyncio
from contextlib import contextmanager

import psycopg
import pytest

from monitor.domain.access import Role

_MORE_THAN_ANY_POOL = 24


@contextmanager
def _standing_still(server):
    """No website can be added or changed until the end of the block; yields who waits for that."""
    with psycopg.connect(server.url("api")) as connection:
        connection.execute("LOCK TABLE websites IN SHARE MODE")
        yield lambda: connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall()


@pytest.mark.parametrize(
    "path", ["/monitor?limit=10", "/monitor/{id}?days=7", "/websites/{id}", "/regions", "/readyz"]
)
async def test_reads_do_not_wait_for_writes(api, postgres_server, path):
    # given
    await api.add_regions("europe")
    website = await api.add_website()
    changes = {"check_frequency": 300}
    with _standing_still(postgres_server) as blocked:
        waiting = [
            asyncio.create_task(api.request("PATCH", f"/websites/{website['id']}", json=changes))
            for _ in range(_MORE_THAN_ANY_POOL)
        ]
        while not blocked():  # noqa: ASYNC110 - Postgres tells only when asked
            await asyncio.sleep(0.01)
        # when somebody reads, with a key that is looked up anew
        read = await api.request("GET", path.format(**website), role=Role.READ)
        # then
        assert read.status_code == 200
        assert not any(task.done() for task in waiting)
    await asyncio.gather(*waiting)
