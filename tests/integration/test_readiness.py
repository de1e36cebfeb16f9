"""/readyz and charts say what is wrong with InfluxDB, and which setting to change."""

import pytest

from monitor.domain.errors import Misconfigured
from monitor.local.http import Response
from monitor.local.readiness import missing
from monitor.services.workers.tick_store import TickStoreWatch
from monitor.storage.timeseries.influxdb import InfluxTicks
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from support.api import assert_problem
from support.recorded_influx import TOKEN, Grants, Recorded2, granted, running

RAW, HOURLY, DAILY = "website_ticks", "website_ticks_hourly", "website_ticks_daily"
KEPT = {RAW: 30 * 86_400, HOURLY: 400 * 86_400, DAILY: 1100 * 86_400}


@pytest.fixture
async def server():
    recorded = Recorded2()
    async with running(recorded):
        yield recorded


@pytest.fixture
async def use(api, server):
    """Let the API keep its ticks in this server, with a token."""
    stores = []

    def with_token(token=TOKEN):
        http = InfluxHttp(server.url, token, "monitor")
        stores.append(InfluxTicks(http, RAW, raw_days=30, rollup_days=400))
        object.__setattr__(api.deps, "tick_store", stores[-1])
        object.__setattr__(api.deps, "tick_watch", TickStoreWatch(stores[-1]))
        return stores[-1]

    yield with_token
    for store in stores:
        await store.close()


@pytest.mark.parametrize(
    ("token", "grants", "said"),
    [
        ("wrong", None, "it refuses INFLUXDB_TOKEN, or that may do too little: correct"),
        (f'"{TOKEN}"', None, "INFLUXDB_TOKEN has quotation marks round it: remove them."),
        (TOKEN, Grants(read=frozenset(KEPT)), "INFLUXDB_TOKEN may not write to"),
        (TOKEN, granted(), "run `influx bucket create --org monitor --name website_ticks_hourly"),
    ],
)
async def test_readyz_says_what_to_correct(api, server, use, token, grants, said):
    # given
    server.retention_s = dict(KEPT)
    server.grants = grants
    use(token)
    # when
    answer = await api.client(None).get("/readyz")
    # then
    problem = assert_problem(answer)
    assert (answer.status_code, problem["code"]) == (503, "not_ready")
    assert problem["checks"] == {"postgres": "ok", "redis": "ok", "ticks": "misconfigured"}
    assert said in problem["detail"]
    assert not any(c in answer.text for c in ("://", "127.0.0.1", "@"))
    # and `make up` says the same
    lacks = missing(Response(503, problem), [], "log")
    assert said.removesuffix(".") in lacks


async def test_readyz_is_green_with_remarks_where_checks_go_on(api, server, use):
    # given
    server.retention_s = KEPT | {RAW: 0}
    use()
    # when
    answer = await api.client(None).get("/readyz")
    # then
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    [remark] = answer.json()["remarks"]
    assert "it keeps ticks for ever instead of 30 days (MONITOR_RAW_DAYS)" in remark
    # and it asked once, and not for each caller
    asked = len(server.asked("/write"))
    await api.client(None).get("/readyz")
    assert len(server.asked("/write")) == asked == 3


async def test_charts_say_what_to_correct(api, server, use):
    # given
    await api.add_regions("europe")
    website = (await api.add_website())["id"]
    use("wrong")
    # when
    answer = await api.request("GET", f"/monitor/{website}?days=1")
    # then
    assert answer.status_code == 503
    assert "correct INFLUXDB_TOKEN." in assert_problem(answer)["detail"]


def test_a_callers_advice_has_no_details():
    error = Misconfigured("influxdb", "correct X", "401 user bob at http://10.0.0.1")
    assert str(error) == "influxdb: 401 user bob at http://10.0.0.1; correct X"
    assert error.advice == "influxdb: correct X."
