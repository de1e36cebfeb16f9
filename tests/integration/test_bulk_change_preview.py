"""Asking how many websites a change of many would be of: it waits for nobody and stops nobody."""

import asyncio

import psycopg
import pytest

_TIMELY_S = 10


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("confirm", ["", "&confirm=1"])
async def test_preview_does_not_wait_for_row_locks(api, postgres_server, method, confirm):
    # given
    await api.add_regions("europe")
    for _ in range(2):
        await api.add_website()
    with psycopg.connect(postgres_server.url("api")) as other:
        other.execute("SELECT 1 FROM websites FOR UPDATE")
        # when
        async with asyncio.timeout(_TIMELY_S):
            query = f"/websites?paused=false{confirm}"
            asked = await api.request(method, query, json={"paused": True}, expect=409)
        other.rollback()
    # then
    assert asked.json()["matched"] == 2
