"""GET /websites/export: what comes out can go in again, and says the same."""

import csv
import io
import json

import pytest

from monitor.resources import website_csv
from support.api import assert_problem
from support.bulk import ndjson, results, send, sites

EVERYTHING = {
    "url": "https://example.com/ä", "name": '=1+1; "name", all', "regions": ["europe"],
    "check_frequency": 60, "request_timeout": 59, "http_method": "POST",
    "request_headers": {"X": 'a"b\\c', "Accept": "*/*"}, "request_body": "@mü\tsli\r\n\\N;",
    "expected_status_codes": [301, "200-204", 205], "follow_redirects": False,
    "verify_ssl": False, "tls_min_version": "1.1",
    "paused": True, "alert_emails": ["a@b.example", "c@localhost"],
    "external_id": "-7",
}  # fmt: skip


async def _export(api, **query):
    return await api.request("GET", "/websites/export", params=query, expect=200)


async def _given(api):
    await api.add_regions("europe", "asia")
    await api.add_website()
    await api.add_website(**EVERYTHING)
    await api.add_website(url="https://big.example/", request_body="ü" * 32_000)


@pytest.mark.parametrize("format_", ["ndjson", "csv"])
async def test_what_was_exported_and_is_imported_changes_nothing(api, format_):
    # given
    await _given(api)
    answer = await _export(api, format=format_)
    body = answer.content
    if format_ == "csv":
        rows = csv.DictReader(io.StringIO(answer.text, newline=""))
        body = ndjson(*(website_csv.read_row(row) for row in rows))
    await api.take_changes()
    # when
    done = await send(api, body)
    # then
    assert (done["lines"], done["unchanged"], done["failed"]) == (3, 3, 0)
    assert await api.take_changes() == []


async def test_an_emptied_installation_is_made_again_from_its_export(api):
    # given
    await _given(api)
    before = await _export(api)
    await api.rows("DELETE FROM websites")
    # when
    refused = await send(api, before.content, dry_run="true")
    # then those whose secrets were not exported are told
    told = [[e["field"] for e in f["errors"]] for f in refused["failures"]]
    assert (refused["created"], told) == (1, [["request_headers"], ["request_body"]])
    # when they are put in
    filled = [json.loads(line) for line in before.text.splitlines()]
    filled[1] |= {n: EVERYTHING[n] for n in ("request_headers", "request_body")}
    filled[2]["request_body"] = "ü"
    done = await send(api, ndjson(*filled))
    # then: with their ids
    assert done["created"] == 3
    assert (await _export(api)).content == before.content
    exported = [json.loads(line)["id"] for line in before.text.splitlines()]
    assert [r["id"] for r in await results(api, done)] == exported


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"paused": "true"}, ["two"]),
        ({"paused": "false"}, ["one", "three"]),
        ({"region": "asia"}, ["one", "three"]),
        ({"q": "THRE"}, ["three"]),
        ({"q": "nobody"}, []),
        ({"paused": "true", "region": "asia"}, []),
    ],
)
async def test_filters_leave_out_what_does_not_match(api, query, names):
    # given
    await api.add_regions("europe", "asia")
    await api.add_website(name="one")
    await api.add_website(name="two", paused=True, regions=["europe"])
    await api.add_website(name="three", regions=["asia"])
    # when
    lines = (await _export(api, **query)).text.splitlines()
    rows = list(csv.DictReader(io.StringIO((await _export(api, format="csv", **query)).text)))
    # then
    assert [json.loads(line)["name"] for line in lines] == names
    assert [row["name"] for row in rows] == names


async def test_all_pages_come(api):
    # given more than a page
    await api.add_regions("europe")
    await send(api, sites(1203))
    # when
    answer = await _export(api)
    # then
    found = [json.loads(line)["external_id"] for line in answer.text.splitlines()]
    assert sorted(found, key=int) == [str(n) for n in range(1203)]
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert 'filename="websites.ndjson"' in answer.headers["content-disposition"]


async def test_csv_cells_are_never_formulas(api):
    # given
    await _given(api)
    # when
    answer = await _export(api, format="csv")
    # then
    assert answer.headers["content-type"].startswith("text/csv")
    cells = [c for row in csv.reader(io.StringIO(answer.text, newline="")) for c in row]
    assert not [c for c in cells if c.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
    assert """\'=1+1; "name", all""" in cells


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"format": "xml"}, 400),
        ({"region": "nowhere"}, 400),
        ({"colour": "red"}, 400),
        ({"q": "a\x00b"}, 400),
    ],
)
async def test_what_cannot_be_exported_is_a_problem(api, query, status):
    answer = await api.request("GET", "/websites/export", params=query, expect=status)
    assert_problem(answer)
