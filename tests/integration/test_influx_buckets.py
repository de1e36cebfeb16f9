"""Buckets are made by us, as long-lived as the settings say, where the token may; else it is said.

2.7.12 and 3 Core as recorded, 1.x for real.
"""

import asyncio
import urllib.parse
import urllib.request
from base64 import b64encode
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from monitor.domain.errors import Misconfigured, Unavailable
from monitor.storage.timeseries.influxdb import InfluxTicks
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from support.answers import answering
from support.factories import SHOP
from support.influx import InfluxServer, need_influxd
from support.recorded_influx import (
    DAY_S,
    ORG_ID,
    TOKEN,
    Grants,
    Recorded2,
    Recorded3,
    granted,
    running,
)
from support.ticks import HOUR, up

RAW, HOURLY, DAILY = "website_ticks", "website_ticks_hourly", "website_ticks_daily"
KEPT = {RAW: 30 * DAY_S, HOURLY: 400 * DAY_S, DAILY: 1100 * DAY_S}
BOTH = [Recorded2, Recorded3]


def a_store(url, token=TOKEN, org="monitor", bucket=RAW):
    http = InfluxHttp(url, token, org, timeout_s=5.0)
    return InfluxTicks(http, bucket, raw_days=30, rollup_days=400)


@asynccontextmanager
async def store_on(server, **how):
    async with running(server):
        store = a_store(server.url, **how)
        try:
            yield store
        finally:
            await store.close()


# They are made


@pytest.mark.parametrize("version", BOTH)
async def test_all_are_made_with_the_retention_of_the_settings(version):
    server = version()
    async with store_on(server) as store:
        await store.prepare()
        await store.prepare()
        # then
        assert server.retention_s == KEPT
        assert await store.check() == []


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(("kept_s", "shown"), [(0, "ever"), (90 * DAY_S, "90 days")])
async def test_a_longer_retention_is_left_as_shortening_it_deletes(version, kept_s, shown):
    # given: as 3 Core makes one by itself, or an operator did
    server = version()
    server.retention_s = KEPT | {RAW: kept_s}
    async with store_on(server) as store:
        # when
        await store.prepare()
        [remark] = await store.check()
    # then
    assert server.retention_s == KEPT | {RAW: kept_s}
    assert f"it keeps ticks for {shown} instead of 30 days (MONITOR_RAW_DAYS)" in remark
    assert "run `influx" in remark


@pytest.mark.parametrize("version", BOTH)
async def test_a_shorter_retention_is_corrected(version):
    # given: the settings were changed
    kept_s = 7 * DAY_S
    server = version()
    server.retention_s = KEPT | {RAW: kept_s}
    async with store_on(server) as store:
        [remark] = await store.check()
        # when
        with capture_logs() as logs:
            await store.prepare()
        # then
        assert server.retention_s == KEPT
        assert await store.check() == []
    assert "it keeps ticks for 7 days instead of 30 days (MONITOR_RAW_DAYS)" in remark
    assert [(log["event"], log["bucket"], log["before_s"]) for log in logs] == [
        ("ticks.retention_set", RAW, kept_s)
    ]


@pytest.mark.parametrize("version", BOTH)
async def test_the_first_write_makes_its_bucket_even_where_nobody_prepared(version):
    server = version()
    async with store_on(server) as store:
        await store.write([up(HOUR)])
        await store.write([up(HOUR + 60)])
    # then: not by the write itself, which would let it keep for ever
    assert server.retention_s == {RAW: 30 * DAY_S}
    assert len(server.requests) <= 7


async def test_two_processes_make_one_bucket():
    # given: another process is faster between the look and the making
    for server in (Recorded2(), Recorded3()):
        make = server.other

        async def faster(asked, request, server=server, make=make):
            if asked.method == "POST" and "/api/" in asked.path and "write" not in asked.path:
                server.retention_s.setdefault(RAW, 30 * DAY_S)
            return await make(asked, request)

        server.other = faster
        async with store_on(server) as store:
            await store.prepare()
        assert server.retention_s == KEPT


@pytest.mark.parametrize("is_404", [True, False])
async def test_version_2_says_in_two_ways_that_there_is_no_bucket(is_404):
    server = Recorded2()
    server.missing_is_404 = is_404
    async with store_on(server) as store:
        await store.prepare()
    assert server.retention_s == KEPT


@pytest.mark.parametrize(
    ("orgs", "org", "problem"),
    [
        ({"monitor": ORG_ID}, "monitor", None),
        ({"monitor": ORG_ID}, None, None),
        ({"a": ORG_ID, "b": "1"}, "a", None),
        ({"a": ORG_ID, "b": "1"}, None, "INFLUXDB_ORG does not say which to use: correct it"),
        ({"a": ORG_ID}, "b", "INFLUXDB_ORG has no organisation of that name: correct it"),
    ],
)
async def test_the_organisation_is_that_of_the_setting_or_the_only_one(orgs, org, problem):
    # given
    server = Recorded2()
    server.orgs = orgs
    async with store_on(server, org=org) as store:
        if problem is None:
            await store.prepare()
            assert server.retention_s == KEPT
        else:
            with pytest.raises(Misconfigured) as caught:
                await store.prepare()
            assert caught.value.problem == problem


@pytest.mark.parametrize("others", [4, 5])
async def test_five_databases_are_all_that_3_core_allows(others):
    # given
    server = Recorded3()
    server.retention_s = dict.fromkeys(range(others), 0)
    async with store_on(server) as store:
        with pytest.raises(Misconfigured) as caught:
            await store.prepare()
    # then
    missing = [HOURLY] if others == 4 else [RAW, HOURLY]
    assert server.retention_s.keys() - set(range(others)) == {RAW, HOURLY} - set(missing)
    for name in missing:
        assert f"it lacks the database {name!r}" in caught.value.problem
    assert "all that 3 Core allows: delete one" in caught.value.problem


async def test_the_fifth_database_of_others_costs_3_core_the_days_alone():
    # given
    server = Recorded3()
    server.retention_s = dict.fromkeys(range(3), 0)
    async with store_on(server) as store:
        await store.prepare()
        [remark] = await store.check()
    # then
    assert server.retention_s.keys() - set(range(3)) == {RAW, HOURLY}
    assert "where it is one of five, which is all that 3 Core allows" in remark
    assert "no bucket 'website_ticks_daily' for daily roll-ups" in remark


# The token may not


async def test_a_token_of_our_buckets_is_enough():
    # given
    server = Recorded2()
    server.retention_s, server.grants = dict(KEPT), granted(*KEPT)
    async with store_on(server) as store:
        await store.prepare()
        # then
        assert await store.check() == []


async def test_a_retention_that_the_token_may_not_change_is_remarked_on():
    server = Recorded2()
    server.retention_s, server.grants = KEPT | {RAW: 0}, granted(*KEPT)
    async with store_on(server) as store:
        await store.prepare()
        [remark] = await store.check()
    assert remark.endswith(
        "else run `influx bucket update --id ID --retention 30d # of website_ticks`"
    )


async def test_what_is_missing_is_named_with_the_command_that_makes_it():
    # given
    server = Recorded2()
    server.grants = granted()
    async with store_on(server) as store:
        for ask in (store.prepare, store.check):
            with pytest.raises(Misconfigured) as caught:
                await ask()
            problem = caught.value.problem
            for name, days in ((RAW, 30), (HOURLY, 400)):
                assert f"no bucket {name!r}" in problem
                assert (
                    f"influx bucket create --org monitor --name {name} --retention {days}d"
                    in problem
                )
        # and ticks wait until there is one
        with pytest.raises(Unavailable, match="no bucket 'website_ticks'"):
            await store.write([up(HOUR)])
        server.retention_s, server.grants = dict(KEPT), granted(*KEPT)
        await store.write([up(HOUR)])


async def test_where_one_is_missing_that_is_not_needed_all_else_goes_on():
    # given: as after an upgrade, with a token of the two buckets of before
    server = Recorded2()
    server.retention_s = {RAW: KEPT[RAW], HOURLY: KEPT[HOURLY]}
    server.grants = granted(RAW, HOURLY)
    async with store_on(server) as store:
        # when
        await store.prepare()
        [remark] = await store.check()
        await store.write([up(HOUR)])
        await store.roll_up(HOUR)
        with pytest.raises(Unavailable, match=DAILY):
            await store._points.store(store._daily, [b"x y=1 1"])
        # then
        assert "no bucket 'website_ticks_daily' for daily roll-ups" in remark
        assert "influx bucket create --org monitor --name website_ticks_daily" in remark
        # when somebody made it
        server.retention_s[DAILY] = 1100 * DAY_S
        server.grants = granted(*KEPT)
        assert await store.check() == []


# First mistakes


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("wrong", "it refuses INFLUXDB_TOKEN, or that may do too little: correct INFLUXDB_TOKEN"),
        (f'"{TOKEN}"', "INFLUXDB_TOKEN has quotation marks round it: remove them"),
        (f"'{TOKEN}'", "INFLUXDB_TOKEN has quotation marks round it: remove them"),
        (None, "it wants a token: set INFLUXDB_TOKEN"),
    ],
)
async def test_a_wrong_token_is_said_to_be_wrong(version, token, problem):
    # given
    server = version()
    server.retention_s = dict(KEPT)
    async with store_on(server, token=token) as store:
        # when
        with pytest.raises(Misconfigured) as caught:
            await store.check()
        # then
        assert caught.value.problem == problem
        assert caught.value.advice == f"influxdb: {problem}."
        for call in (store.prepare, lambda: store.ticks(SHOP, HOUR, HOUR + 1)):
            with pytest.raises(Misconfigured, match=problem[:20]):
                await call()


@pytest.mark.parametrize("empty_write", [(400, "writing requires points"), (204, "")])
async def test_a_token_that_may_only_read_is_told_from_one_that_is_wrong(empty_write):
    # given
    server = Recorded2()
    server.empty_write = empty_write
    server.retention_s = dict(KEPT)
    server.grants = Grants(read=frozenset(KEPT), write=frozenset([RAW]))
    async with store_on(server) as store:
        # when
        with pytest.raises(Misconfigured) as caught:
            await store.check()
        # then
        assert caught.value.problem == (
            "INFLUXDB_TOKEN may not write to 'website_ticks_hourly': let it, or correct it"
        )
        # when
        server.grants = granted(*KEPT)
        # then
        assert await store.check() == []


async def test_asking_whether_it_may_write_stores_nothing(influx_database):
    url, bucket = influx_database
    store = a_store(url, token=None, bucket=bucket)
    try:
        await store.prepare()
        assert await store.check() == []
        assert await store._http.query(bucket, "SHOW SERIES") == []
    finally:
        await store.close()


async def test_what_is_no_influxdb_is_said_to_be_none():
    async with answering(ping=[(404, "<html>Not Found</html>")]) as server:
        store = a_store(server.url)
        with pytest.raises(Misconfigured, match="no InfluxDB: correct INFLUXDB_URL"):
            await store.check()
        await store.close()


# A real 1.x that wants a login


@pytest.fixture
def guarded(tmp_path, monkeypatch):
    """Its URL, and a function that runs statements as its administrator."""
    need_influxd()
    monkeypatch.setenv("INFLUXDB_HTTP_AUTH_ENABLED", "true")
    server = InfluxServer(tmp_path).start()

    def run(*statements):
        for statement in statements:
            data = urllib.parse.urlencode({"q": statement}).encode()
            login = b64encode(b"admin:a").decode()
            request = urllib.request.Request(
                f"{server.url}/query", data, {"Authorization": f"Basic {login}"}
            )
            urllib.request.urlopen(request, timeout=10).close()

    run("CREATE USER admin WITH PASSWORD 'a' WITH ALL PRIVILEGES")
    yield server.url, run
    server.stop()


async def _check(url, token):
    store = a_store(url, token)
    try:
        return await store.check()
    finally:
        await store.close()


async def test_a_real_server_tells_who_may_what(guarded):
    # given
    url, run = guarded
    users = [f"CREATE USER {u} WITH PASSWORD '{u}'" for u in ("reader", "writer", "both")]
    await asyncio.to_thread(run, *users)
    # then: only an administrator makes databases
    for token in ("both:both", "nobody:x"):
        store = a_store(url, token)
        with pytest.raises(Misconfigured, match="INFLUXDB_TOKEN"):
            await store.prepare()
        await store.close()
    store = a_store(url, "admin:a")
    await store.prepare()
    await store.close()
    grants = [
        f'GRANT {right} ON "{name}" TO {user}'
        for user, right in (("reader", "READ"), ("writer", "WRITE"), ("both", "ALL"))
        for name in KEPT
    ]
    await asyncio.to_thread(run, *grants)
    assert await _check(url, "admin:a") == []
    assert await _check(url, "both:both") == []
    for token, problem in (
        ("reader:reader", "INFLUXDB_TOKEN may not write to 'website_ticks': let it"),
        ("writer:writer", "INFLUXDB_TOKEN may not read 'website_ticks': let it"),
        ("admin:wrong", "it refuses INFLUXDB_TOKEN"),
    ):
        with pytest.raises(Misconfigured, match=problem):
            await _check(url, token)
