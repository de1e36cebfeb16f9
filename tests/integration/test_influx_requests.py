"""How requests to InfluxDB look: compressed or not, logged in, and how its version is read."""

import pytest

from support.answers import answering, answering_influx
from support.tick_store import opened, tick_store
from support.ticks import HOUR, up

VERSION_1 = {"X-Influxdb-Version": "1.8.10"}
VERSION_2 = {"X-Influxdb-Version": "v2.7.12"}


async def test_large_bodies_are_compressed_and_small_ones_are_not():
    async with answering_influx(write=[(204, "")]) as server, opened(server.url) as store:
        await store.write([up(HOUR)])
        await store.write([up(HOUR + n) for n in range(500)])
        small, large = server.sent
    # then
    assert "Content-Encoding" not in small.headers
    assert small.body.startswith(b"website_ticks,")
    assert large.headers["Content-Encoding"] == "gzip"
    assert int(large.headers["Content-Length"]) < len(large.body) / 3
    assert len(large.body.splitlines()) == 500


async def test_bodies_for_a_local_server_are_not_compressed():
    async with answering_influx(write=[(204, "")]) as server:
        store = tick_store(influx=(server.url, "website_ticks"))
        await store.write([up(HOUR + n) for n in range(500)])
        await store.close()
        [large] = server.sent
    # then
    assert "Content-Encoding" not in large.headers
    assert len(large.body.splitlines()) == 500


@pytest.mark.parametrize(
    ("token", "header"),
    [("user:secret", "Basic dXNlcjpzZWNyZXQ="), ("a-token==", "Token a-token=="), (None, None)],
)
async def test_the_token_decides_the_authentication(token, header):
    async with (
        answering_influx(write=[(204, "")]) as server,
        opened(server.url, token=token) as store,
    ):
        await store.write([up(HOUR)])
        result = server.sent
    # then
    assert [r.headers.get("Authorization") for r in result] == [header]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ((204, "", VERSION_1), "InfluxDB 1.8.10"),
        ((204, "", VERSION_2), "InfluxDB 2.7.12"),
        ((200, '{"version":"3.0.1","revision":"d7c071e0c4","process_id":"x"}'), "InfluxDB 3.0.1"),
    ],
)
async def test_every_version_is_named(answer, name):
    async with answering(ping=[answer]) as server, opened(server.url) as store:
        result = await store.ping()
    assert result == name
