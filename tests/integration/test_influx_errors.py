"""InfluxDB's ways of saying no: provoked on a real server where that can be done."""

import asyncio
import json
import time
import urllib.parse
import urllib.request

import pytest
from structlog.testing import capture_logs

from monitor.domain.errors import Unavailable
from monitor.domain.series import Bucket
from support.answers import SILENCE, answering_influx
from support.factories import BLOG, SHOP
from support.influx import InfluxServer, need_influxd
from support.tick_store import opened
from support.ticks import HOUR, assorted, refused, up

VERSION_1 = {"X-Influxdb-Version": "1.8.10"}
VERSION_2 = {"X-Influxdb-Version": "v2.7.12"}


def ask(url, question, database=""):
    """Put a question to a real server without our code; returns rows as dictionaries."""
    form = urllib.parse.urlencode({"q": question, "db": database, "epoch": "s"}).encode()
    with urllib.request.urlopen(f"{url}/query", data=form, timeout=10) as answer:
        [result] = json.load(answer)["results"]
    assert "error" not in result, result
    return [
        dict(zip(series["columns"], values, strict=True))
        for series in result.get("series", [])
        for values in series["values"]
    ]


# A real server


async def test_prepare_sets_the_retention_of_both_databases(influx_database):
    # given
    url, bucket = influx_database
    # when
    for raw_days in (30, 7):  # the settings were changed in between
        async with opened(url, bucket, raw_days=raw_days) as store:
            await store.prepare()
            await store.prepare()
    # then: one policy each, the default one
    policies = [ask(url, f'SHOW RETENTION POLICIES ON "{b}"') for b in (bucket, f"{bucket}_hourly")]
    found = [
        [(p["name"], p["default"], p["duration"], p["shardGroupDuration"]) for p in of_one]
        for of_one in policies
    ]
    assert found == [
        [("autogen", True, "168h0m0s", "24h0m0s")],
        [("autogen", True, "9600h0m0s", "168h0m0s")],
    ]


async def test_a_missing_database_is_created(influx_database):
    # given
    url, bucket = influx_database
    async with opened(url, bucket) as store:
        nothing = await store.ticks(SHOP, HOUR, HOUR + 60)
        ask(url, f'DROP DATABASE "{bucket}"')
        await store.write([up(HOUR)])
        found = await store.ticks(SHOP, HOUR, HOUR + 60)
    # then
    assert nothing == []
    assert [t.slot_s for t in found] == [HOUR]


async def test_a_field_conflict_costs_only_the_points_in_conflict(influx_database):
    # given: a database in which somebody made `reason` a number
    url, bucket = influx_database
    async with opened(url, bucket) as store:
        await store.prepare()
        line = f"website_ticks,region=x,website_id=x reason=1i {HOUR}"
        body = line.encode()
        request = f"{url}/write?db={bucket}&precision=s"
        await asyncio.to_thread(urllib.request.urlopen, request, body, 10)
        with capture_logs() as logs:
            await store.write([up(HOUR), refused(HOUR + 60), up(HOUR + 120)])
        [log] = logs
    # then: read without our code, which cannot read such a reason
    assert (log["event"], log["log_level"]) == ("ticks.dropped", "warning")
    assert (log["lines"], log["dropped"]) == (3, 1)
    assert "field type conflict" in log["error"]
    stored = ask(url, f"SELECT up FROM website_ticks WHERE website_id='{SHOP}'", bucket)
    assert [row["time"] for row in stored] == [HOUR, HOUR + 120]


async def test_points_beyond_retention_are_dropped_with_a_warning(influx_database):
    # given
    url, bucket = influx_database
    async with opened(url, bucket) as store:
        await store.prepare()
        with capture_logs() as logs:
            await store.write([up(HOUR - 31 * 86_400), up(HOUR)])
        found = await store.ticks(SHOP, 0, HOUR + 1)
    # then
    assert [(log["event"], log["dropped"]) for log in logs] == [("ticks.dropped", 1)]
    assert [t.slot_s for t in found] == [HOUR]


@pytest.fixture
def small_influx(tmp_path, monkeypatch):
    """A real server that takes bodies of 20,000 bytes at most."""
    need_influxd()
    monkeypatch.setenv("INFLUXDB_HTTP_MAX_BODY_SIZE", "20000")
    server = InfluxServer(tmp_path).start()
    yield server.url
    server.stop()


async def test_requests_too_large_for_the_server_are_halved(small_influx):
    # given: more than that, even compressed
    ticks = assorted(1, range(HOUR, HOUR + 2000))
    async with opened(small_influx) as store:
        await store.write(ticks)
        result = await store.ticks(SHOP, HOUR, HOUR + 3600)
    # then
    assert len(result) == 2000


# What a real server here cannot be made to say


async def _write_to(answers, **how):
    async with answering_influx(**answers) as server, opened(server.url, **how) as store:
        with capture_logs() as logs:
            await store.write([up(HOUR)])
        return server.sent, logs


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, '{"error":"write could not be completed: request queue is full"}'),
        (500, '{"error":"timeout"}'),
        (429, '{"code":"too many requests","message":"org 0 has exceeded limited_write"}'),
        (401, '{"code":"unauthorized","message":"unauthorized access"}'),
        (403, '{"error":"\\"u\\" user is not authorized to write to database \\"d\\""}'),
    ],
)
async def test_a_temporary_error_is_unavailable(status, body):
    with pytest.raises(Unavailable, match=f"influxdb: {status}"):
        await _write_to({"write": [(status, body)]})


async def test_rejected_token_names_the_setting():
    answer = (401, '{"code":"unauthorized","message":"unauthorized access"}')
    with pytest.raises(Unavailable, match="INFLUXDB_TOKEN"):
        await _write_to({"write": [answer]})


async def test_a_silent_server_times_out_as_unavailable():
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"no answer within 0\.2 s"):
        await _write_to({"write": [SILENCE]}, timeout_s=0.2)
    assert time.monotonic() - began < 2


async def test_a_response_without_json_is_unavailable():
    with pytest.raises(Unavailable, match="influxdb: invalid response"):
        async with (
            answering_influx(query=[(200, "<html>hello")]) as server,
            opened(server.url) as store,
        ):
            await store.ticks(SHOP, HOUR, HOUR + 1)


async def test_a_permanently_rejected_body_is_dropped_with_an_error():
    # given: 2.x refuses a whole batch for one bad line
    body = '{"code":"invalid","message":"unable to parse \'x\': missing fields"}'
    # when
    requests, logs = await _write_to({"write": [(400, body)]})
    # then
    assert len(requests) == 1
    assert [(log["event"], log["log_level"]) for log in logs] == [("ticks.refused", "error")]
    assert "missing fields" in logs[0]["error"]


async def test_a_single_line_that_is_too_large_is_dropped_with_an_error():
    requests, logs = await _write_to({"write": [(413, '{"error":"Request Entity Too Large"}')]})
    assert len(requests) == 1
    assert [log["event"] for log in logs] == ["ticks.refused"]


async def test_a_database_that_stays_missing_is_tried_twice():
    # given
    answers = {
        "ping": [(204, "", VERSION_1)],
        "query": [(200, '{"results":[{"statement_id":0}]}')],
        "write": [(404, '{"error":"database not found: \\"website_ticks\\""}')],
    }
    async with answering_influx(**answers) as server, opened(server.url) as store:
        with pytest.raises(Unavailable, match="database not found"):
            await store.write([up(HOUR)])
        result = [request.path for request in server.requests]
    # then
    assert result.count("/write") == 2


async def test_an_error_in_the_middle_of_a_stream_ends_the_roll_up():
    # given
    series = {
        "name": "website_ticks",
        "tags": {"region": "x", "website_id": str(SHOP)},
        "columns": ["time", "up", "response_ms"],
        "values": [[HOUR, 1, 2.5]],
    }
    results = (
        {"statement_id": 0, "series": [series], "partial": True},
        {"statement_id": 0, "error": "timeout"},
    )
    stream = "".join(json.dumps({"results": [result]}) + "\n" for result in results)

    # then
    with pytest.raises(Unavailable, match="timeout"):
        async with answering_influx(query=[(200, stream)]) as server, opened(server.url) as store:
            await store.roll_up(HOUR)


async def test_version_3_names_groups_in_columns_and_may_cut_them_anywhere():
    # given: as 3 Core answers, in chunks that end within a website's rows
    columns = ["time", "website_id", "region", "up", "response_ms"]
    shop, blog = str(SHOP), str(BLOG)

    def chunk(*rows):
        series = {"name": "website_ticks", "columns": columns, "values": rows}
        return json.dumps({"results": [{"statement_id": 0, "series": [series]}]}) + "\r\n"

    first = chunk([HOUR, shop, "x", 1, 1.0], [HOUR + 60, shop, "x", 0, None])
    second = chunk([HOUR + 120, shop, "x", 1, 3.0], [HOUR, blog, "x", 1, 5.0])
    answers = {"query": [(200, first + second), (200, '{"results":[]}')], "write": [(204, "")]}
    async with answering_influx(**answers) as server, opened(server.url) as store:
        stored = await store.roll_up(HOUR)
        [_, lines] = [r.body for r in server.requests if r.path == "/write"]
    # then
    assert stored == 2
    of_shop, of_blog = lines.decode().splitlines()
    assert "checks=3i,up=2i,measured=2i,mean_ms=2.000,max_ms=3.000" in of_shop
    assert "checks=1i,up=1i,measured=1i,mean_ms=5.000" in of_blog


async def test_empty_buckets_are_absent():
    # given
    columns = ["time", "checks", "up", "measured", "mean_ms", "p95_ms", "max_ms"]
    values = [[HOUR, 0, None, 0, None, None, None], [HOUR + 60, 1, 0, None, None, None, None]]
    series = {"name": "website_ticks", "tags": {"region": "x"}, "columns": columns}
    answer = json.dumps({"results": [{"series": [{**series, "values": values}]}]})
    async with answering_influx(query=[(200, answer)]) as server, opened(server.url) as store:
        result = await store.raw_buckets(SHOP, None, HOUR, HOUR + 120, 60)
    # then
    assert result == [Bucket("x", HOUR + 60, 1, 0, 0, None, None, None)]
