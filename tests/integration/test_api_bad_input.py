"""Whatever is sent, the answer is a 4xx problem that names the field, and nothing is changed."""

import json
from uuid import UUID

import pytest

from monitor.domain.access import Role
from monitor.resources import cursors as paging
from support.api import assert_problem

URL = {"url": "https://example.com/"}

# (body beside a good URL, the field that is named)
FIELDS = [
    ({"url": None}, "url"),
    ({"url": 7}, "url"),
    ({"url": ""}, "url"),
    ({"url": "example.com"}, "url"),
    ({"url": "//example.com/"}, "url"),
    ({"url": "ftp://example.com/"}, "url"),
    ({"url": "javascript:alert(1)"}, "url"),
    ({"url": "http://"}, "url"),
    ({"url": "http:///path"}, "url"),
    ({"url": "http://:80/"}, "url"),
    ({"url": "https://user:secret@example.com/"}, "url"),
    ({"url": "https://user@example.com/"}, "url"),
    ({"url": "https://example.com:0/"}, "url"),
    ({"url": "https://example.com:65536/"}, "url"),
    ({"url": "https://example.com:http/"}, "url"),
    ({"url": "https://example.com:-1/"}, "url"),
    ({"url": "https://example.com:" + "8" * 5000}, "url"),
    ({"url": "https://exam ple.com/"}, "url"),
    ({"url": "https://example.com/\n"}, "url"),
    ({"url": "https://example.com/\x00"}, "url"),
    ({"url": "https://example.com/a\u2028b"}, "url"),
    ({"url": "https://a.example\\@b.example/"}, "url"),
    ({"url": "https://[::1/"}, "url"),
    ({"url": "https://[::g]/"}, "url"),
    ({"url": "https://[fe80::1%25eth0]/"}, "url"),
    ({"url": "https://[::1]x/"}, "url"),
    ({"url": "https://a..example.com/"}, "url"),
    ({"url": "https://" + "a" * 64 + ".example/"}, "url"),
    ({"url": "https://ex%61mple.com/"}, "url"),
    ({"url": "https://example.com/" + "a" * 2048}, "url"),
    ({"name": ""}, "name"),
    ({"name": "   "}, "name"),
    ({"name": "n" * 256}, "name"),
    ({"name": "a\x00b"}, "name"),
    ({"name": ["a"]}, "name"),
    ({"regions": []}, "regions"),
    ({"regions": "europe"}, "regions"),
    ({"regions": ["mars"]}, "regions"),
    ({"regions": ["europe", "europe"]}, "regions"),
    ({"regions": ["Europe"]}, "regions"),
    ({"regions": ["\x00"]}, "regions"),
    ({"regions": [1]}, "regions"),
    ({"regions": ["r"] * 101}, "regions"),
    ({"check_frequency": 29}, "check_frequency"),
    ({"check_frequency": 86_401}, "check_frequency"),
    ({"check_frequency": True}, "check_frequency"),
    ({"check_frequency": 180.0}, "check_frequency"),
    ({"check_frequency": "180"}, "check_frequency"),
    ({"check_frequency": None}, "check_frequency"),
    ({"check_frequency": 10**30}, "check_frequency"),
    ({"request_timeout": 0}, "request_timeout"),
    ({"request_timeout": 61}, "request_timeout"),
    ({"request_timeout": False}, "request_timeout"),
    ({"request_timeout": True}, "request_timeout"),
    ({"request_timeout": 30, "check_frequency": 30}, "request_timeout"),
    ({"http_method": "BREW"}, "http_method"),
    ({"http_method": 1}, "http_method"),
    ({"request_headers": []}, "request_headers"),
    ({"request_headers": {"X": 1}}, "request_headers"),
    ({"request_headers": {"X": None}}, "request_headers"),
    ({"request_headers": {"X": "a\r\nY: b"}}, "request_headers"),
    ({"request_headers": {"X": "a\nb"}}, "request_headers"),
    ({"request_headers": {"X": "a\x00b"}}, "request_headers"),
    ({"request_headers": {"X": " a"}}, "request_headers"),
    ({"request_headers": {"X": "ä"}}, "request_headers"),
    ({"request_headers": {"X\r\nY": "a"}}, "request_headers"),
    ({"request_headers": {"X Y": "a"}}, "request_headers"),
    ({"request_headers": {"X:": "a"}}, "request_headers"),
    ({"request_headers": {"": "a"}}, "request_headers"),
    ({"request_headers": {"Content-Length": "5"}}, "request_headers"),
    ({"request_headers": {"transfer-encoding": "chunked"}}, "request_headers"),
    ({"request_headers": {"CONNECTION": "close"}}, "request_headers"),
    ({"request_headers": {"X": "1", "x": "2"}}, "request_headers"),
    ({"request_headers": {f"X-{n}": "" for n in range(51)}}, "request_headers"),
    ({"request_headers": {"X": "a" * 4097}}, "request_headers"),
    ({"request_body": 1}, "request_body"),
    ({"request_body": "a\x00b"}, "request_body"),
    ({"request_body": "a" * 65_537}, "request_body"),
    ({"expected_status_codes": []}, "expected_status_codes"),
    ({"expected_status_codes": 200}, "expected_status_codes"),
    ({"expected_status_codes": [99]}, "expected_status_codes"),
    ({"expected_status_codes": [1000]}, "expected_status_codes"),
    ({"expected_status_codes": [True]}, "expected_status_codes"),
    ({"expected_status_codes": [200.0]}, "expected_status_codes"),
    ({"expected_status_codes": ["2x"]}, "expected_status_codes"),
    ({"expected_status_codes": ["399-200"]}, "expected_status_codes"),
    ({"expected_status_codes": ["200-1000"]}, "expected_status_codes"),
    ({"expected_status_codes": ["\uff12\uff10\uff10-299"]}, "expected_status_codes"),
    ({"expected_status_codes": [200] * 101}, "expected_status_codes"),
    ({"follow_redirects": "yes"}, "follow_redirects"),
    ({"verify_ssl": 1}, "verify_ssl"),
    ({"tls_min_version": "1.4"}, "tls_min_version"),
    ({"tls_min_version": 1.2}, "tls_min_version"),
    ({"tls_min_version": ""}, "tls_min_version"),
    ({"paused": None}, "paused"),
    ({"paused": "false"}, "paused"),
    ({"alert_emails": "a@example.com"}, "alert_emails"),
    ({"alert_emails": None}, "alert_emails"),
    ({"alert_emails": ["a"]}, "alert_emails"),
    ({"alert_emails": ["a@"]}, "alert_emails"),
    ({"alert_emails": ["@example.com"]}, "alert_emails"),
    ({"alert_emails": [""]}, "alert_emails"),
    ({"alert_emails": [["a@example.com"]]}, "alert_emails"),
    ({"alert_emails": ["a@example.com, b"]}, "alert_emails"),
    ({"alert_emails": ["j\u00f6rg@example.com"]}, "alert_emails"),
    ({"alert_emails": ["a@exa mple.com"]}, "alert_emails"),
    ({"alert_emails": ["a@\u2603.example"]}, "alert_emails"),
    ({"alert_emails": ["A <a@example.com"]}, "alert_emails"),
    ({"alert_emails": ["A\r\nBcc: b@example.com <a@example.com>"]}, "alert_emails"),
    ({"alert_emails": ["a@example.com", "A <a@example.com>"]}, "alert_emails"),
    ({"alert_emails": [" ".join(f"a{n}@example.com" for n in range(21))]}, "alert_emails"),
    ({"alert_emails": ["a@example.com\r\nBcc: b@example.com"]}, "alert_emails"),
    ({"alert_emails": ["a@example.com", "A@EXAMPLE.com"]}, "alert_emails"),
    ({"alert_emails": [f"a{n}@example.com" for n in range(21)]}, "alert_emails"),
    ({"alert_emails": ["a" * 65 + "@example.com"]}, "alert_emails"),
    ({"external_id": ""}, "external_id"),
    ({"external_id": 5}, "external_id"),
    ({"external_id": "x" * 256}, "external_id"),
    ({"external_id": "a\x00"}, "external_id"),
    ({"id": "0197a000-0000-7000-8000-00000000000a"}, "id"),
    ({"status": "up"}, "status"),
    ({"created_at": "2026-01-01T00:00:00Z"}, "created_at"),
    ({"updated_at": None}, "updated_at"),
    ({"check_frequenzy": 60}, "check_frequenzy"),
    ({"": 1}, "(no name)"),
    ({"a\x00b": 1}, "a b"),
]

REGIONS = [
    ({}, "name"),
    ({"name": None}, "name"),
    ({"name": ""}, "name"),
    ({"name": "Asia"}, "name"),
    ({"name": "1asia"}, "name"),
    ({"name": "-asia"}, "name"),
    ({"name": "asia\n"}, "name"),
    ({"name": "asiä"}, "name"),
    ({"name": "a" * 33}, "name"),
    ({"name": "asia", "description": None}, "description"),
    ({"name": "asia", "description": "d" * 256}, "description"),
    ({"name": "asia", "description": "\x00"}, "description"),
    ({"name": "asia", "network": "ok"}, "network"),
    ({"name": "asia", "color": "red"}, "color"),
]

# (body as bytes, status)
BROKEN = [
    (b"", 400),
    (b"{", 400),
    (b"{}x", 400),
    (b"nonsense", 400),
    (b"\xff\xfe{}", 400),
    (b'{"url": "\xff"}', 400),
    (b'{"url": "\\ud800"}', 400),
    (b'{"url": NaN}', 400),
    (b'{"check_frequency": 1e999}', 400),
    (b'{"check_frequency": ' + b"9" * 5000 + b"}", 400),
    (b"[" * 200_000, 400),
    (b'{"a":' * 100_000, 400),
    (b"[]", 422),
    (b"null", 422),
    (b'"text"', 422),
    (b"5", 422),
    (b" " * (1024 * 1024) + b"{}", 413),
    (b'{"request_body": "' + b"a" * 1024 * 1024 + b'"}', 413),
]

QUERIES = [
    ("/websites?limit=0", "limit"),
    ("/websites?limit=1001", "limit"),
    ("/websites?limit=-1", "limit"),
    ("/websites?limit=ten", "limit"),
    ("/websites?limit=1.5", "limit"),
    ("/websites?limit=", "limit"),
    ("/websites?limit=" + "9" * 4000, "limit"),
    ("/websites?limit=1&limit=2", "limit"),
    ("/websites?status=broken", "status"),
    ("/websites?paused=perhaps", "paused"),
    ("/websites?region=mars", "region"),
    ("/websites?region=%00", "region"),
    ("/websites?q=", "q"),
    ("/websites?q=%00", "q"),
    ("/websites?q=" + "a" * 256, "q"),
    ("/websites?statuss=up", "statuss"),
    ("/websites?deps=1", "deps"),
    ("/websites?cursor=", "cursor"),
    ("/websites?cursor=x", "cursor"),
    ("/websites?cursor=AAAA", "cursor"),
    ("/websites?cursor=%00", "cursor"),
    ("/websites?cursor=" + "A" * 32, "cursor"),
    ("/websites?cursor=" + "A" * 201, "cursor"),
    ("/regions?limit=0", "limit"),
    ("/regions?cursor=Zm9v", "cursor"),
    ("/monitor?status=broken", "status"),
    ("/monitor?cursor=Zm9v", "cursor"),
    ("/monitor/{id}?days=0", "days"),
    ("/monitor/{id}?days=401", "days"),
    ("/monitor/{id}?days=week", "days"),
    ("/monitor/{id}?region=mars", "region"),
    ("/monitor/{id}?region=%00", "region"),
    ("/monitor/{id}?since=1", "since"),
    ("/monitor/{id}/downtime?limit=0", "limit"),
    ("/monitor/{id}/downtime?cursor=Zm9v", "cursor"),
    ("/monitor/{id}/last_downtime?days=1", "days"),
]


@pytest.fixture
async def website(api):
    """A website and a region, which stay as they are."""
    await api.add_regions("europe")
    added = await api.add_website(external_id="taken", request_timeout=40)
    before = await _everything(api)
    yield added
    assert await _everything(api) == before


async def _everything(api):
    tables = ("websites", "website_regions", "regions", "changes", "incidents")
    return {t: await api.rows(f"SELECT * FROM {t} ORDER BY 1") for t in tables}


def _fields(answer):
    return [e["field"] for e in answer.json()["errors"]]


async def test_bad_fields_of_a_website_are_named_and_change_nothing(api, website):
    for fields, named in FIELDS:
        # when
        made = await api.request("POST", "/websites", content=_json(URL | fields), **_JSON)
        changed = await api.request(
            "PATCH", f"/websites/{website['id']}", content=_json(fields), **_JSON
        )
        # then
        for answer in (made, changed):
            assert answer.status_code == 422, (fields, answer.text)
            assert answer.json()["code"] == "invalid_fields"
            assert _fields(answer) == [named], (fields, answer.text)


async def test_every_bad_field_is_named_at_once(api, website):
    body = {"check_frequency": 1, "paused": 0, "colour": 1}
    refused = await api.post("/websites", body, expect=422)
    fields = [e["field"] for e in refused["errors"]]
    assert fields == ["check_frequency", "paused", "colour", "url"]
    refused = await api.post("/websites", {f"x{n}": 1 for n in range(1000)}, expect=422)
    assert len(refused["errors"]) == 50


async def test_a_frequency_below_the_stored_timeout_is_refused(api, website):
    path = f"/websites/{website['id']}"
    refused = await api.patch(path, {"check_frequency": 40}, expect=422)
    assert [e["field"] for e in refused["errors"]] == ["check_frequency"]


async def test_bad_fields_of_a_region_are_named_and_change_nothing(api, website):
    for body, named in REGIONS:
        answer = await api.request("POST", "/regions", content=_json(body), **_JSON)
        assert answer.status_code == 422, (body, answer.text)
        assert _fields(answer) == [named], body
    refused = await api.patch("/regions/europe", {"name": "asia"}, expect=422)
    assert [e["field"] for e in refused["errors"]] == ["name"]


async def test_bodies_that_are_not_json_objects_are_rejected(api, website):
    paths = [("POST", "/websites"), ("PATCH", f"/websites/{website['id']}")]
    for body, status in BROKEN:
        for method, path in paths:
            answer = await api.request(method, path, content=body, **_JSON)
            assert answer.status_code == status, (body[:40], answer.text)


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
     "application/msgpack", "application/json; charset=latin-1"],
)  # fmt: skip
async def test_only_json_is_read(api, website, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await api.request("POST", "/websites", content=_json(URL), headers=headers)
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


async def test_invalid_query_parameters_are_named(api, website):
    for path, named in QUERIES:
        answer = await api.request("GET", path.replace("{id}", website["id"]))
        assert answer.status_code == 400, (path[:60], answer.text)
        assert _fields(answer) == [named], (path[:60], answer.text)
    answer = await api.request("DELETE", "/regions/europe?force=perhaps")
    assert (answer.status_code, _fields(answer)) == (400, ["force"])
    answer = await api.request("GET", "/websites?q=" + "a" * 5000)
    assert answer.status_code == 414


async def test_paths_that_name_nothing_are_not_found(api, website):
    ids = ["x", "0", "%00", "..%2f", "0197a000-0000-7000-8000-00000000000a", "9" * 500]
    for website_id in ids:
        for path in ("/websites/{}", "/monitor/{}", "/monitor/{}/downtime"):
            await api.request("GET", path.format(website_id), expect=404)
    for name in ("mars", "%00", "EUROPE", "a" * 500, "%ff", "eu rope"):
        await api.request("GET", f"/regions/{name}", expect=404)
        await api.request("DELETE", f"/regions/{name}?force=true", expect=404)
        await api.request("PATCH", f"/regions/{name}", json={}, expect=404)


async def test_a_forged_position_in_a_good_cursor_is_refused(api, website):
    # given cursors of the right list and filters whose position is nonsense
    mark = paging.fingerprint("downtime", UUID(website["id"]))
    for position in (b"", b"x", b"\x7f" + b"\xff" * 23, b"\x80" + b"\x00" * 23, b"x" * 25):
        query = {"cursor": paging.encode(position, mark)}
        path = f"/monitor/{website['id']}/downtime"
        # then
        refused = await api.get(path, params=query, expect=400)
        assert [e["field"] for e in refused["errors"]] == ["cursor"]
    mark = paging.fingerprint("regions")
    for position in (b"", b"\xff", b"Mars", b"a" * 33):
        query = {"cursor": paging.encode(position, mark)}
        await api.get("/regions", params=query, expect=400)


async def test_key_is_checked_before_the_body_is_read(api, website):
    answer = await api.client(Role.READ).post("/websites", content=b"{", **_JSON)
    assert answer.status_code == 403
    assert_problem(answer)
    answer = await api.client(None).post("/websites", content=b"{" * 2_000_000, **_JSON)
    assert answer.status_code == 401


_JSON = {"headers": {"Content-Type": "application/json"}}


def _json(value):
    return json.dumps(value).encode()
