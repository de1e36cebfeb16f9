"""Lists sorted by name, last change, status and figures: every order page by page, without loss."""

import pytest

from monitor.domain.status import Standing
from monitor.domain.verdict import Verdict

LISTS = ["/websites", "/monitor"]


async def _pages(api, path, **query):
    """The names of all websites, read two by two."""
    names, cursor = [], None
    while cursor or not names:
        page = await api.get(
            path, params={"limit": 2, **query} | ({"cursor": cursor} if cursor else {})
        )
        names += [w["name"] for w in page["items"]]
        cursor = page["next_cursor"]
    return names


async def _figures(api, website, **columns):
    for column, value in columns.items():
        table = "website_latencies" if column == "p95_24h_ms" else "website_figures"
        await api.rows(
            f"UPDATE {table} SET {column} = %s WHERE website_id = %s", value, website["id"]
        )


@pytest.fixture
async def five(api):
    """{name: website}"""
    await api.add_regions("europe")
    names = ("b", "A", "é", "a" * 255, "C")
    made = {name: await api.add_website(name=name, url="https://sites.dev/") for name in names}
    for website in made.values():
        await api.hold(website, "europe", Verdict.UP)
    return made


@pytest.mark.parametrize("path", LISTS)
async def test_by_name_whatever_the_case(api, five, path):
    assert await _pages(api, path, sort="name") == ["A", "a" * 255, "b", "C", "é"]
    assert await _pages(api, path) == list(five)


async def test_names_of_four_bytes_a_letter_fit_into_a_cursor(api):
    await api.add_regions("europe")
    names = [f"{'😀' * 254}{end}" for end in "abc"]
    for name in reversed(names):
        await api.add_website(name=name)
    assert await _pages(api, "/websites", sort="name") == names


@pytest.mark.parametrize("path", LISTS)
async def test_by_status(api, five, path):
    # given
    await _figures(api, five["C"], standing=Standing.DOWN.value)
    await _figures(api, five["é"], standing=Standing.NOT_MEASURED.value)
    await api.patch(f"/websites/{five['b']['id']}", {"paused": True})
    # then
    assert await _pages(api, path, sort="status") == ["C", "é", "A", "a" * 255, "b"]
    # and who is resumed stands where the others do
    await api.patch(f"/websites/{five['b']['id']}", {"paused": False})
    assert await _pages(api, path, sort="status") == ["C", "é", "b", "A", "a" * 255]


async def test_pausing_a_website_that_is_down_or_not_measured(api, five):
    for name, standing in (("C", Standing.DOWN), ("é", Standing.NOT_MEASURED)):
        await _figures(api, five[name], standing=standing.value)
        await api.patch(f"/websites/{five[name]['id']}", {"paused": True})
    assert await _pages(api, "/monitor", sort="status") == ["b", "A", "a" * 255, "é", "C"]


async def test_a_change_of_many_pauses_them(api, five):
    change = {"paused": True}
    query = {"q": "a", "confirm": 2}
    await api.request("PATCH", "/websites", json=change, params=query, expect=200)
    assert await _pages(api, "/monitor", sort="status") == ["b", "é", "C", "A", "a" * 255]


async def test_another_interval_leaves_the_standing_as_it_is(api, five):
    await _figures(api, five["é"], standing=Standing.NOT_MEASURED.value)
    for name in ("é", "b"):
        await api.patch(f"/websites/{five[name]['id']}", {"check_frequency": 600})
    assert (await _pages(api, "/monitor", sort="status"))[0] == "é"
    assert await _pages(api, "/monitor", sort="changed") == list(reversed(five))


@pytest.mark.parametrize("path", LISTS)
async def test_by_the_last_change_of_status(api, five, path):
    # when
    await api.patch(f"/websites/{five['A']['id']}", {"paused": True})
    await api.patch(f"/websites/{five['b']['id']}", {"name": "z"})
    # then a new name is no change of status
    assert await _pages(api, path, sort="changed") == ["A", "C", "a" * 255, "é", "z"]


@pytest.mark.parametrize("path", LISTS)
async def test_by_uptime_lowest_first_and_unknown_last(api, five, path):
    for name, uptime in (("C", 0.9991), ("é", 0.5), ("A", 1.0), ("b", 0.9991)):
        await _figures(api, five[name], uptime_30d=uptime)
    assert await _pages(api, path, sort="uptime_30d") == ["é", "b", "C", "A", "a" * 255]


@pytest.mark.parametrize("path", LISTS)
async def test_by_response_time_slowest_first_and_unknown_last(api, five, path):
    for name, p95_ms in (("C", 12.3), ("é", 0.1), ("A", 2000.7), ("b", 12.3)):
        await _figures(api, five[name], p95_24h_ms=p95_ms)
    assert await _pages(api, path, sort="p95_24h_ms") == ["A", "C", "b", "é", "a" * 255]


@pytest.mark.parametrize("sort", ["name", "changed", "status", "uptime_30d", "p95_24h_ms"])
async def test_filters_hold_in_every_order(api, five, sort):
    await api.patch(f"/websites/{five['C']['id']}", {"paused": True})
    assert await _pages(api, "/monitor", sort=sort, paused=True) == ["C"]
    assert sorted(await _pages(api, "/monitor", sort=sort, q="A")) == ["A", "a" * 255]
    assert len(await _pages(api, "/monitor", sort=sort, status="up", region="europe")) == 4


async def test_a_cursor_of_another_order_is_refused(api, five):
    sorts = [None, "name", "changed", "status", "uptime_30d", "p95_24h_ms"]
    for sort in sorts:
        own = {} if sort is None else {"sort": sort}
        cursor = (await api.get("/monitor", params={"limit": 2, **own}))["next_cursor"]
        for other in sorts:
            query = {"cursor": cursor} | ({} if other is None else {"sort": other})
            answer = await api.request("GET", "/monitor", params=query)
            assert answer.status_code == (200 if other == sort else 400), (sort, other)
            if other != sort:
                assert answer.json()["errors"][0]["field"] == "cursor"
    # and one of /monitor goes on in /websites, as the two are one list
    assert len((await api.get("/websites", params={"cursor": cursor, "sort": sort}))["items"]) == 3


@pytest.mark.parametrize("path", LISTS)
async def test_an_unknown_order_is_named_with_all_that_there_are(api, path):
    answer = await api.request("GET", path, params={"sort": "uptime"}, expect=400)
    assert answer.json()["errors"] == [
        {
            "field": "sort",
            "message": "must be one of name, changed, status, uptime_30d, p95_24h_ms",
        }
    ]
