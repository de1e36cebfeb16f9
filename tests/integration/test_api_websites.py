"""Websites over the API: what is kept, what is answered, and the change row of every write."""

import asyncio
from uuid import UUID

import pytest

from monitor.domain.verdict import Verdict

DEFAULTS = {
    "url": "https://example.com/health/",
    "name": "example.com/health",
    "regions": ["asia", "europe"],
    "check_frequency": 180,
    "request_timeout": 15,
    "http_method": "GET",
    "request_headers": {},
    "request_body": "",
    "expected_status_codes": ["200-399"],
    "follow_redirects": True,
    "verify_ssl": True,
    "tls_min_version": None,
    "paused": False,
    "alert_emails": [],
    "external_id": None,
    "kind": "http",
    "status": "pending",
}

EVERYTHING = {
    "url": "http://[::1]:8080/a?b=c",
    "name": "A name",
    "regions": ["europe"],
    "check_frequency": 60,
    "request_timeout": 59,
    "http_method": "post",
    "request_headers": {"X-Token": "abc", "Accept": "*/*"},
    "request_body": "müsli\n",
    "expected_status_codes": [301, "200-204", "205", "203-210", "9xx"],
    "follow_redirects": False,
    "verify_ssl": False,
    "tls_min_version": "1.0",
    "paused": True,
    "alert_emails": ["ops@example.com", "dev@localhost"],
    "external_id": "shop-1",
    "kind": "http",
}


async def test_a_url_is_enough_and_the_rest_has_defaults(api):
    # given
    await api.add_regions("europe", "asia")
    await api.take_changes()
    api.sent.clear()
    # when
    answer = await api.request(
        "POST", "/websites", json={"url": "https://example.com/health/"}, expect=201
    )
    # then
    made = answer.json()
    assert answer.headers["location"] == f"/websites/{made['id']}"
    assert {k: made[k] for k in DEFAULTS} == DEFAULTS
    assert made.keys() == DEFAULTS.keys() | {"id", "created_at", "updated_at"}
    assert UUID(made["id"]).version == 7
    assert await api.get(f"/websites/{made['id']}") == made
    assert await api.take_changes() == [(made["id"], True)]
    assert [(m.queue, m.actor) for m in api.sent] == [("sync", "sync_changes")]


async def test_every_option_is_kept_and_answered_normalised(api):
    # given
    await api.add_regions("europe", "asia")
    await api.take_changes()
    # when
    made = await api.post("/websites", EVERYTHING)
    # then
    normalised = {"http_method": "POST", "expected_status_codes": ["200-210", 301, "900-999"]}
    hidden = {"X-Token": "********", "Accept": "*/*"}
    normalised |= {"request_headers": hidden, "request_body": "********"}
    wanted = EVERYTHING | normalised | {"status": "paused"}
    assert {k: made[k] for k in wanted} == wanted
    assert await api.take_changes() == [(made["id"], False)]


async def test_a_patch_changes_what_it_sends_and_nothing_else(api):
    # given
    await api.add_regions("europe", "asia")
    made = await api.post("/websites", EVERYTHING | {"paused": False})
    for name, value in EVERYTHING.items():
        if name in ("url", "paused", "external_id", "kind"):
            continue
        # when each field alone is set back to what a new website has
        before = await api.get(f"/websites/{made['id']}")
        default = {"regions": None, "name": "Another"}.get(name, DEFAULTS[name])
        if name == "check_frequency":
            default = 61
        after = await api.patch(f"/websites/{made['id']}", {name: default})
        # then
        changed = {k for k in after if after[k] != before[k]}
        assert changed == {name, "updated_at"}, (name, value)


async def test_null_sets_back_and_an_empty_patch_changes_nothing(api):
    # given
    await api.add_regions("europe", "asia")
    made = await api.post("/websites", EVERYTHING)
    await api.take_changes()
    # when
    same = await api.patch(f"/websites/{made['id']}", {})
    again = await api.patch(f"/websites/{made['id']}", {"check_frequency": 60})
    # then
    assert same == again == made
    assert await api.take_changes() == []
    # when
    back = await api.patch(
        f"/websites/{made['id']}", {"regions": None, "name": None, "external_id": None}
    )
    # then
    assert back["regions"] == ["asia", "europe"]
    assert back["name"] == "::1/a"
    assert back["external_id"] is None


async def test_a_name_that_was_not_given_follows_the_url(api):
    await api.add_regions("europe")
    unnamed = await api.add_website()
    named = await api.add_website(name="Mine")
    # when
    for website in (unnamed, named):
        await api.patch(f"/websites/{website['id']}", {"url": "https://example.net/x"})
    # then
    assert (await api.get(f"/websites/{unnamed['id']}"))["name"] == "example.net/x"
    assert (await api.get(f"/websites/{named['id']}"))["name"] == "Mine"


@pytest.mark.parametrize(
    ("patch", "check_now"),
    [
        ({"url": "https://example.net/"}, True),
        ({"check_frequency": 300}, True),
        ({"expected_status_codes": [204]}, True),
        ({"regions": ["europe"]}, True),
        ({"name": "Other"}, False),
        ({"alert_emails": ["a@example.com"]}, False),
        ({"paused": True}, False),
        ({"paused": True, "url": "https://example.net/"}, False),
    ],
)
async def test_what_changes_the_check_is_checked_at_once(api, patch, check_now):
    await api.add_regions("europe", "asia")
    made = await api.add_website()
    await api.take_changes()
    # when
    await api.patch(f"/websites/{made['id']}", patch)
    # then
    assert await api.take_changes() == [(made["id"], check_now)]


async def test_pausing_ends_the_incident_and_forgets_the_verdicts(api):
    # given
    await api.add_regions("europe")
    made = await api.add_website()
    await api.open_incident(made, api.now_s - 100)
    await _verdict(api, made, "europe")
    # when
    paused = await api.patch(f"/websites/{made['id']}", {"paused": True})
    # then
    assert (paused["status"], paused["paused"]) == ("paused", True)
    assert await api.rows("SELECT * FROM verdicts") == []
    last = await api.get(f"/monitor/{made['id']}/last_downtime")
    assert last["resolution"] == "paused"
    assert last["resolved_at"] is not None
    # when
    await api.take_changes()
    resumed = await api.patch(f"/websites/{made['id']}", {"paused": False})
    # then
    assert resumed["status"] == "pending"
    assert await api.take_changes() == [(made["id"], True)]


async def test_pausing_twice_keeps_the_first_time(api):
    await api.add_regions("europe")
    made = await api.add_website(paused=True)
    before = await api.rows("SELECT paused_at FROM websites")
    await api.patch(f"/websites/{made['id']}", {"paused": True, "name": "x"})
    assert await api.rows("SELECT paused_at FROM websites") == before


async def test_a_region_taken_off_loses_its_verdict_and_the_others_keep_theirs(api):
    await api.add_regions("europe", "asia")
    made = await api.add_website()
    await _verdict(api, made, "europe")
    await _verdict(api, made, "asia")
    # when
    await api.patch(f"/websites/{made['id']}", {"regions": ["asia"]})
    # then
    assert await api.rows("SELECT region FROM verdicts") == [("asia",)]


async def test_deleting_takes_the_history_along(api):
    # given
    await api.add_regions("europe")
    made, other = await api.add_website(), await api.add_website()
    await api.open_incident(made, api.now_s - 100)
    await api.take_changes()
    # when
    answer = await api.delete(f"/websites/{made['id']}")
    # then
    assert answer.content == b""
    assert await api.rows("SELECT * FROM incidents") == []
    assert await api.take_changes() == [(made["id"], False)]
    problem = await api.get(f"/websites/{made['id']}", expect=404)
    assert problem["code"] == "website_not_found"
    await api.delete(f"/websites/{made['id']}", expect=404)
    await api.patch(f"/websites/{made['id']}", {"name": "x"}, expect=404)
    assert [w["id"] for w in (await api.get("/websites"))["items"]] == [other["id"]]
    assert await api.take_changes() == []


async def test_concurrent_creates_of_one_external_id_yield_one(api):
    await api.add_regions("europe")
    body = {"url": "https://example.com/", "external_id": "x"}
    # when
    answers = await asyncio.gather(*(api.request("POST", "/websites", json=body) for _ in range(6)))
    # then
    assert sorted(a.status_code for a in answers) == [201] + [409] * 5
    refused = next(a for a in answers if a.status_code == 409).json()
    assert refused["code"] == "external_id_taken"
    assert [e["field"] for e in refused["errors"]] == ["external_id"]
    other = await api.add_website(external_id="y")
    await api.patch(f"/websites/{other['id']}", {"external_id": "x"}, expect=409)
    assert len(await api.rows("SELECT 1 FROM websites")) == 2


async def test_a_website_needs_a_region_to_be_there(api):
    refused = await api.post("/websites", {"url": "https://example.com/"}, expect=422)
    assert [e["field"] for e in refused["errors"]] == ["regions"]
    assert "POST /regions" in refused["detail"]


async def test_a_broker_that_fails_does_not_fail_the_request(api):
    api.send_error = OSError("no queue")
    await api.add_regions("europe")
    made = await api.add_website()
    assert (made["id"], True) in await api.take_changes()


async def test_lists_are_paged_in_order_of_creation(api):
    # given
    await api.add_regions("europe")
    made = []
    for number in range(7):
        api.now_s += 1
        made.append((await api.add_website(url=f"https://example.com/{number}"))["id"])
    # when
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = await api.get("/websites", params=query)
        seen += [w["id"] for w in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
    # then
    assert (seen, pages) == (made, 3)
    exact = await api.get("/websites", params={"limit": 7})
    assert (len(exact["items"]), exact["next_cursor"]) == (7, None)


async def test_filters_narrow_the_list(api):
    # given
    await api.add_regions("europe", "asia")
    everywhere = await api.add_website(url="https://Shop.example.com/", name="Ein Laden")
    asian = await api.add_website(url="https://blog.example.com/", regions=["asia"])
    paused = await api.add_website(url="https://100%.example.com/_".replace("%", ""), paused=True)

    async def ids(**query):
        return {w["id"] for w in (await api.get("/websites", params=query))["items"]}

    # then
    assert await ids(region="europe") == {everywhere["id"], paused["id"]}
    assert await ids(region="asia") == {everywhere["id"], asian["id"], paused["id"]}
    assert await ids(paused="true") == await ids(status="paused") == {paused["id"]}
    assert await ids(paused="false") == {everywhere["id"], asian["id"]}
    assert await ids(q="sHOP.ex") == await ids(q="LADEN") == {everywhere["id"]}
    assert await ids(q="%") == set()
    assert await ids(q="/_") == {paused["id"]}
    assert await ids(status="pending") == {everywhere["id"], asian["id"]}
    assert await ids(status="paused", paused="false") == set()
    assert await ids(region="asia", q="blog", status="pending") == {asian["id"]}


async def test_a_cursor_belongs_to_its_filters(api):
    await api.add_regions("europe", "asia")
    await api.add_website()
    await api.add_website()
    cursor = (await api.get("/websites", params={"limit": 1}))["next_cursor"]
    for query in ({"q": "x"}, {"paused": "false"}, {"region": "asia"}, {"status": "up"}):
        refused = await api.get("/websites", params={"cursor": cursor, **query}, expect=400)
        assert [e["field"] for e in refused["errors"]] == ["cursor"]
    refused = await api.get("/regions", params={"cursor": cursor}, expect=400)
    assert [e["field"] for e in refused["errors"]] == ["cursor"]


async def test_the_status_of_one_website_is_worked_out_from_its_regions(api):
    await api.add_regions("europe", "asia")
    made = await api.add_website()
    await api.hold(made, "europe", Verdict.UP)
    assert (await api.get(f"/websites/{made['id']}"))["status"] == "up"
    await api.hold(made, "asia", Verdict.DOWN)
    await api.hold(made, "europe", Verdict.DOWN)
    assert (await api.get(f"/websites/{made['id']}"))["status"] == "down"


async def _verdict(api, website, region):
    await api.rows(
        "INSERT INTO verdicts (website_id, region, verdict, at, slot, reason)"
        " VALUES (%s, %s, 'down', now(), now(), 'http_status')",
        website["id"],
        region,
    )
