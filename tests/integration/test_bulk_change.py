"""PATCH and DELETE /websites: every website that matches is changed, or none is."""

import pytest

from support.bulk_change import begin, bulk, down

_TABLES = ("websites", "website_regions", "regions", "changes", "incidents", "verdicts")


async def _everything(api):
    return {t: await api.rows(f"SELECT * FROM {t} ORDER BY 1, 2") for t in _TABLES}


@pytest.mark.parametrize(
    ("query", "matching"),
    [
        ("all=true", [0, 1, 2, 3]),
        ("region=europe", [0, 1, 3]),
        ("paused=true", [2]),
        ("paused=false&region=asia", [1, 3]),
        ("q=SHOP", [0, 1]),
        ("q=one", [0]),
        ("q=nothing", []),
    ],
)
async def test_the_filters_are_those_of_the_list(api, query, matching):
    sites = await begin(api)
    # when
    path = f"{query}&confirm={len(matching)}"
    done = await bulk(api, "PATCH", path, {"check_frequency": 60}, expect=200)
    # then
    assert done == {"matched": len(matching), "changed": len(matching)}
    now = [await api.get(f"/websites/{s['id']}") for s in sites]
    assert [n for n, s in enumerate(now) if s["check_frequency"] == 60] == matching
    assert [s for n, s in enumerate(now) if n not in matching] == [
        s for n, s in enumerate(sites) if n not in matching
    ]
    # and
    gone = await bulk(api, "DELETE", path, expect=200)
    assert gone == {"matched": len(matching), "changed": len(matching)}
    left = (await api.get("/websites"))["items"]
    assert [s["id"] for s in left] == [s["id"] for n, s in enumerate(sites) if n not in matching]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_without_the_right_number_nothing_is_changed_and_it_is_told(api, method):
    await begin(api)
    before = await _everything(api)
    for query, told in [
        ("region=europe", "3 websites match: nothing was changed."),
        ("region=europe&confirm=2", "3 websites match, not 2: nothing was changed."),
        ("region=europe&confirm=4", "3 websites match, not 4"),
        ("region=europe&confirm=0", "3 websites match, not 0"),
    ]:
        # when
        refused = await bulk(api, method, query, {"paused": True}, expect=409)
        # then
        assert (refused["code"], refused["matched"]) == ("count_not_confirmed", 3)
        assert refused["detail"].startswith(told)
        assert "confirm=3" in refused["detail"]
    one = await bulk(api, method, "q=one", {"paused": True}, expect=409)
    assert one["detail"].startswith("1 website matches: ")
    assert await _everything(api) == before
    assert api.sent == []


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("confirm=4", "all"),
        ("all=false&confirm=4", "all"),
        ("all=true&paused=false&confirm=3", "all"),
        ("region=mars&confirm=0", "region"),
        ("q=%00&confirm=0", "q"),
        ("q=&confirm=4", "q"),
        ("paused=perhaps", "paused"),
        ("all=true&confirm=-1", "confirm"),
        ("all=true&confirm=many", "confirm"),
        ("all=true&confirm=4&confirm=4", "confirm"),
        ("status=up&confirm=4", "status"),
    ],
)
async def test_a_query_that_is_not_plain_changes_nothing(api, method, query, named):
    await begin(api)
    before = await _everything(api)
    # when
    refused = await bulk(api, method, query, {"paused": True}, expect=400)
    # then
    assert [e["field"] for e in refused["errors"]] == [named]
    assert await _everything(api) == before


@pytest.mark.parametrize(
    ("body", "named", "says"),
    [
        ({"check_frequency": 50}, ["check_frequency"], "for 1 of these 4 websites"),
        ({"check_frequency": 30, "request_timeout": 30}, ["request_timeout"], "4 of these 4"),
        ({"regions": ["asia", "mars"]}, ["regions"], "not mars"),
        ({"external_id": "x"}, ["external_id"], "is unique"),
        ({"external_id": None, "paused": 1}, ["external_id", "paused"], "is unique"),
        ({"check_frequency": 1, "colour": 1}, ["check_frequency", "colour"], "30 to 86400"),
    ],
)
async def test_a_change_that_does_not_suit_all_changes_none(api, body, named, says):
    await begin(api)
    before = await _everything(api)
    # when
    refused = await bulk(api, "PATCH", "all=true&confirm=4", body, expect=422)
    # then
    assert [e["field"] for e in refused["errors"]] == named
    assert says in refused["detail"]
    assert await _everything(api) == before


_CHANGES = [
    {"url": "https://new.example/y", "http_method": "head"},
    {"name": None},
    {"name": "same"},
    {"url": "https://new.example/y", "name": "both"},
    {"regions": None},
    {"regions": ["europe"]},
    {"regions": ["a0", "a-z"]},
    {"paused": True},
    {"paused": False},
    {"paused": True, "regions": ["asia"], "check_frequency": 90},
    {"alert_emails": ["a@example.com"]},
    {"alert_emails": []},
    {"request_headers": {"X": "1"}, "request_body": "b", "expected_status_codes": [204, "300-399"]},
    {"request_headers": {}, "expected_status_codes": ["200-399"]},
    {"follow_redirects": False, "verify_ssl": False, "request_timeout": 20},
    {"tls_min_version": "1.1"},
    {"tls_min_version": None},
    {},
]


@pytest.mark.parametrize("body", _CHANGES)
async def test_each_becomes_what_a_change_of_it_alone_makes(api, body):
    # given the same websites twice: some that are down, in two regions
    first, second = await begin(api), await _begin_again(api)
    for site in (first[1], second[1]):
        await down(api, site, "asia")
    await api.take_changes()
    # when one half is changed one by one and the other at once
    for site in first:
        await api.patch(f"/websites/{site['id']}", body)
    alone = await _outcome(api, first)
    done = await bulk(api, "PATCH", "q=%23again&confirm=4", body | {}, expect=200)
    together = await _outcome(api, second)
    # then
    assert _like(together) == _like(alone)
    assert done == {"matched": 4, "changed": len(together["changes"])}
    assert [m.actor for m in api.sent] != []
    # and once more nothing is changed, but for secrets, which are never compared
    query = "all=true&confirm=8"
    again = await bulk(api, "PATCH", query, body, expect=200)
    assert again["changed"] == (8 if "request_body" in body else 0)
    assert len(await api.take_changes()) == again["changed"]


async def _begin_again(api):
    """The same websites, told apart by the end of their URLs."""
    return [
        await api.add_website(url="https://shop.example/a#again", regions=["europe"], name="one"),
        await api.add_website(url="https://shop.example/b#again", regions=["asia", "europe"]),
        await api.add_website(url="https://blog.example/#again", regions=["asia"], paused=True),
        await api.add_website(url="https://blog.example/x#again", request_timeout=50),
    ]


async def _outcome(api, sites):
    ids = [s["id"] for s in sites]
    found = []
    for site in sites:
        now = await api.get(f"/websites/{site['id']}")
        touched = now["updated_at"] != site["updated_at"]
        past = (await api.get(f"/monitor/{site['id']}/downtime"))["items"]
        found.append((now, touched, [d["resolution"] for d in past]))
    verdicts = await api.rows(
        "SELECT array_position(%s::uuid[], website_id), region FROM verdicts"
        " WHERE website_id = ANY(%s::uuid[])", ids, ids,
    )  # fmt: skip
    changes = await api.rows(
        "DELETE FROM changes RETURNING array_position(%s::uuid[], website_id), check_now, forget",
        ids,
    )
    return {"sites": found, "verdicts": verdicts, "changes": sorted(changes)}


def _like(outcome):
    own = {"id", "created_at", "updated_at"}
    sites = [
        ({k: v for k, v in now.items() if k not in own} | {"url": now["url"].split("#")[0]}, *rest)
        for now, *rest in outcome["sites"]
    ]
    return outcome | {"sites": sites}
