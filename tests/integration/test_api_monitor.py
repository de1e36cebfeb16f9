"""Latest statuses: from what Postgres says and what the regions hold."""

import datetime as dt

from monitor.domain.outcome import Reason
from monitor.domain.verdict import Verdict
from monitor.services.websites import latest as monitor_view


def _unix(text):
    return dt.datetime.fromisoformat(text).timestamp()


async def _latest(api, **query):
    return {w["id"]: w for w in (await api.get("/monitor", params=query))["items"]}


async def test_status_lists_the_verdict_of_every_region(api):
    # given
    await api.add_regions("asia", "europe", "us")
    made = await api.add_website()
    await api.hold(
        made, "asia", Verdict.DOWN, age_s=5, reason=Reason.HTTP_STATUS, status_code=503,
        response_ms=12.3456, failures=2,
    )  # fmt: skip
    await api.hold(made, "europe", Verdict.UP, age_s=100, response_ms=1.5, status_code=200)
    # when
    (found,) = (await api.get("/monitor"))["items"]
    # then
    assert (found["id"], found["url"], found["name"]) == (made["id"], made["url"], made["name"])
    assert found["status"] == "up"
    asia, europe, us = found["regions"]
    assert _unix(asia.pop("last_checked_at")) == int(api.now_s) - 5
    assert asia == {
        "region": "asia", "verdict": "down", "response_ms": 12.346, "reason": "http_status",
        "status_code": 503, "fresh": True,
    }  # fmt: skip
    assert _unix(europe.pop("last_checked_at")) == int(api.now_s) - 100
    assert europe == {
        "region": "europe", "verdict": "up", "response_ms": 1.5, "reason": None,
        "status_code": 200, "fresh": True,
    }  # fmt: skip
    assert us == {
        "region": "us", "verdict": "unknown", "last_checked_at": None, "response_ms": None,
        "reason": None, "status_code": None, "fresh": False,
    }  # fmt: skip


async def _one_of_each(api):
    """{status: website}, all checked every 180 s with a time-out of 15 s."""
    await api.add_regions("europe")
    made = {s: await api.add_website(name=s) for s in ("pending", "up", "down", "unknown")}
    made["paused"] = await api.add_website(name="paused", paused=True)
    await api.hold(made["up"], "europe", Verdict.UP)
    await api.hold(made["down"], "europe", Verdict.DOWN, age_s=434)
    await api.open_incident(made["down"], int(api.now_s) - 400)
    await api.hold(made["unknown"], "europe", Verdict.UP, age_s=436)
    return made


async def test_statuses_and_the_filter_by_them(api):
    made = await _one_of_each(api)
    # then
    assert {w["name"]: w["status"] for w in (await _latest(api)).values()} == {s: s for s in made}
    for status, website in made.items():
        assert list(await _latest(api, status=status)) == [website["id"]]
        listed = await api.get("/websites", params={"status": status})
        assert [(w["id"], w["status"]) for w in listed["items"]] == [(website["id"], status)]


async def test_an_incident_that_nobody_measures_any_more_is_unknown(api):
    await api.add_regions("europe")
    made = await api.add_website()
    await api.open_incident(made, api.now_s - 4000)
    await api.hold(made, "europe", Verdict.DOWN, age_s=3000)
    assert (await _latest(api))[made["id"]]["status"] == "unknown"
    assert await _latest(api, status="down") == {}
    assert list(await _latest(api, status="unknown")) == [made["id"]]


async def test_status_says_since_when(api):
    # given
    now = int(api.now_s)
    made = await _one_of_each(api)
    recovered = await api.add_website()
    await api.open_incident(recovered, now - 900, resolved=now - 800)
    await api.open_incident(recovered, now - 700, resolved=now - 600)
    await api.hold(recovered, "europe", Verdict.UP, since_s=now - 5000)
    resumed = await api.add_website()
    await api.open_incident(resumed, now - 900, resolved=now - 800, how="paused")
    await api.hold(resumed, "europe", Verdict.UP, since_s=now - 50)
    await api.rows("UPDATE websites SET paused_at = to_timestamp(%s) WHERE name = 'paused'", now)
    # when
    found = await _latest(api)
    # then
    since = {i: w["since"] and _unix(w["since"]) for i, w in found.items()}
    assert since == {
        made["pending"]["id"]: None,
        made["up"]["id"]: now - 10,
        made["down"]["id"]: now - 400,
        made["unknown"]["id"]: None,
        made["paused"]["id"]: now,
        recovered["id"]: now - 600,
        resumed["id"]: now - 50,
    }


async def test_a_page_of_a_computed_status_stops_looking_and_goes_on_by_cursor(api, monkeypatch):
    # given 9 pending websites and then one that is up, looked at 2 by 2 and 6 a page
    monkeypatch.setattr(monitor_view, "_CANDIDATES", 2)
    monkeypatch.setattr(monitor_view, "MAX_SCANNED", 6)
    await api.add_regions("europe")
    for _ in range(9):
        api.now_s += 1
        await api.add_website()
    api.now_s += 1
    up = await api.add_website()
    await api.hold(up, "europe", Verdict.UP)
    # when
    first = await api.get("/monitor", params={"status": "up"})
    # then
    assert first["items"] == []
    assert first["next_cursor"]
    query = {"status": "up", "cursor": first["next_cursor"]}
    second = await api.get("/monitor", params=query)
    assert [w["id"] for w in second["items"]] == [up["id"]]
    assert second["next_cursor"] is None
    # and pages of pending ones follow each other without loss
    seen, cursor = [], None
    while cursor or not seen:
        query = {"status": "pending", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await api.get("/monitor", params=query)
        assert len(page["items"]) <= 2
        seen += [w["id"] for w in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 9


async def test_downtimes_newest_first_in_pages(api):
    # given
    await api.add_regions("eu")
    made = await api.add_website()
    now = int(api.now_s)
    for n in range(1, 6):
        await api.open_incident(made, now - n * 1000, resolved=now - n * 1000 + 100 + n)
    await api.open_incident(made, now - 3000, resolved=now - 2000)  # the same start
    await api.open_incident(made, now - 50, cause="dns_error", status_code=0, evidence="NX")
    path = f"/monitor/{made['id']}/downtime"
    # when
    seen, cursor = [], None
    while cursor or not seen:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await api.get(path, params=query)
        seen += page["items"]
        cursor = page["next_cursor"]
    # then
    assert len({i["id"] for i in seen}) == 7
    starts = [_unix(i["started_at"]) - now for i in seen]
    assert starts == [-50, -1000, -2000, -3000, -3000, -4000, -5000]
    assert seen == (await api.get(path))["items"]
    open_now = seen[0]
    del open_now["id"], open_now["started_at"]
    assert open_now == {
        "resolved_at": None, "duration_s": int(api.now_s) - now + 50, "cause": "dns_error",
        "status_code": None, "evidence": "NX", "regions": ["eu"], "resolution": None,
    }  # fmt: skip
    assert (seen[1]["duration_s"], seen[1]["resolution"]) == (101, "recovered")
    assert (seen[1]["cause"], seen[1]["status_code"]) == ("http_status", 503)


async def test_the_last_downtime_or_none(api):
    await api.add_regions("eu")
    made, other = await api.add_website(), await api.add_website()
    path = f"/monitor/{made['id']}/last_downtime"
    await api.open_incident(other, api.now_s - 10)
    assert (await api.get(path, expect=404))["code"] == "no_downtime"
    assert (await api.get(f"/monitor/{made['id']}/downtime")) == {
        "items": [],
        "next_cursor": None,
    }
    await api.open_incident(made, api.now_s - 1000, resolved=api.now_s - 900)
    await api.open_incident(made, api.now_s - 500, resolved=api.now_s - 450)
    assert (await api.get(path))["duration_s"] == 50
    nobody = "0197a000-0000-7000-8000-00000000000a"
    for end in ("downtime", "last_downtime"):
        problem = await api.get(f"/monitor/{nobody}/{end}", expect=404)
        assert problem["code"] == "website_not_found"
