"""What the API says while Postgres breaks, and that it goes on by itself."""

import asyncio

import psycopg


def _as_operator(server, sql):
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql)


def _kill_connections(server):
    _as_operator(
        server, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'api'"
    )


async def test_killed_connections_cost_no_request(api, postgres_server):
    # given as many connections as there may be
    await api.add_regions("europe")
    await asyncio.gather(*(api.get("/regions") for _ in range(8)))
    # when
    await asyncio.to_thread(_kill_connections, postgres_server)
    # then
    answers = await asyncio.gather(*(api.request("GET", "/regions") for _ in range(8)))
    assert [a.status_code for a in answers] == [200] * 8
    await api.add_website()


async def test_a_server_that_only_reads_is_asked_again_later(api, postgres_server):
    # given a server that has become a replica
    await api.add_regions("europe")
    only = "ALTER DATABASE api SET default_transaction_read_only ="
    try:
        await asyncio.to_thread(_as_operator, postgres_server, f"{only} on")
        await asyncio.to_thread(_kill_connections, postgres_server)
        # then
        await api.get("/websites")
        body = {"url": "https://example.com/"}
        answer = await api.request("POST", "/websites", json=body, expect=503)
        assert answer.json()["code"] == "unavailable"
    finally:
        await asyncio.to_thread(_as_operator, postgres_server, f"{only} off")
    # and when it is the primary again
    await asyncio.to_thread(_kill_connections, postgres_server)
    await api.add_website()
