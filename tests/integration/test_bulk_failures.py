"""What an import refuses: single lines by their number, or the request as a whole."""

import json
from uuid import uuid4

import pytest

from monitor.domain.access import Role
from monitor.resources.lines import MAX_LINE_BYTES
from support.api import assert_problem
from support.bulk import NDJSON, ndjson, results, send, sites

URL = {"url": "https://example.com/"}

BAD = [
    {},
    [],
    "text",
    {"url": "ftp://example.com/"},
    URL | {"check_frequency": 1, "paused": 0, "colour": 1},
    URL | {"request_timeout": 30, "check_frequency": 30},
    URL | {"regions": ["mars"]},
    URL | {"alert_emails": ["a@example.com\r\nBcc: b@example.com"]},
    URL | {"external_id": ""},
    URL | {"status": "up"},
    {f"x{n}": 1 for n in range(1000)},
]

BROKEN = [b"{", b"{}x", b"nonsense", b'{"url": "\xff"}', b'{"url": "\\ud800"}', b"[" * 60_000]


async def test_a_line_fails_with_what_a_post_answers(api):
    # given
    await api.add_regions("europe")
    wanted = []
    for body in BAD:
        refused = await api.post("/websites", body, expect=422)
        wanted.append((refused["code"], refused["errors"]))
    # when
    done = await send(api, ndjson(*BAD, URL))
    # then
    assert [(f["code"], f["errors"]) for f in done["failures"]] == wanted
    assert [f["line"] for f in done["failures"]] == list(range(1, len(BAD) + 1))
    assert (done["failed"], done["created"], done["lines"]) == (len(BAD), 1, len(BAD) + 1)
    assert await api.rows("SELECT count(*) FROM websites") == [(1,)]


async def test_invalid_json_fails_only_its_line(api):
    await api.add_regions("europe")
    done = await send(api, b"".join(line + b"\n" + ndjson(URL) for line in BROKEN))
    assert (done["failed"], done["created"]) == (len(BROKEN), len(BROKEN))
    assert {f["code"] for f in done["failures"]} == {"invalid_json"}
    assert [f["line"] for f in done["failures"]] == [1 + 2 * n for n in range(len(BROKEN))]
    assert all(f["errors"][0]["field"] == "line" for f in done["failures"])


async def test_a_line_that_is_too_long_fails_and_the_next_one_is_read(api):
    await api.add_regions("europe")
    fits = json.dumps(URL).encode().ljust(MAX_LINE_BYTES)
    huge = b'{"url": "' + b"a" * 20_000_000 + b'"}'
    done = await send(api, b"\n".join([fits, fits + b" ", huge, fits]))
    assert [(f["line"], f["code"]) for f in done["failures"]] == [
        (2, "line_too_long"), (3, "line_too_long"),
    ]  # fmt: skip
    assert (done["created"], done["lines"]) == (2, 4)


async def test_a_hundred_failures_are_shown_and_all_are_kept(api):
    await api.add_regions("europe")
    done = await send(api, ndjson(URL, {"url": 1}) * 600)
    assert [f["line"] for f in done["failures"]] == list(range(2, 202, 2))
    assert done["failed"] == 600
    failed = await results(api, done, only="failed")
    assert [r["line"] for r in failed] == list(range(2, 1202, 2))
    assert failed[0] == done["failures"][0] | {"result": "failed", "id": None}
    created = await results(api, done, only="created")
    assert [r["line"] for r in created] == list(range(1, 1201, 2))
    path = f"/websites/bulk/{done['id']}/results"
    await api.get(path, params={"only": "broken"}, expect=400)


@pytest.mark.parametrize("value", ["x", "", 5, None, "0197a00000007000800000000000000a",
                                   " 197a000-0000-7000-8000-00000000000a"])  # fmt: skip
async def test_an_id_is_a_uuid(api, value):
    await api.add_regions("europe")
    done = await send(api, ndjson({"id": value, "url": 1}))
    assert [e["field"] for e in done["failures"][0]["errors"]] == ["id", "url"]


async def test_without_a_region_every_line_fails(api):
    done = await send(api, sites(3))
    assert (done["failed"], done["created"]) == (3, 0)
    assert done["failures"][0]["errors"][0]["field"] == "regions"


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "application/json"}, {"Content-Type": "text/plain"},
     {"Content-Type": NDJSON + "; charset=latin-1"},
     {"Content-Type": NDJSON, "Content-Encoding": "gzip"}],
)  # fmt: skip
async def test_only_ndjson_is_read(api, headers):
    await api.add_regions("europe")
    answer = await api.request("POST", "/websites/bulk", content=sites(1), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert await api.rows("SELECT 1 FROM bulk_imports") == []


async def test_bad_keys_and_queries_are_named(api):
    await api.add_regions("europe")
    for key in ("", "a" * 256, "ä".encode("latin-1"), b"a\tb"):
        refused = await send(api, sites(1), key=key, expect=422)
        assert [e["field"] for e in refused["errors"]] == ["Idempotency-Key"]
    for query in ({"dry_run": "perhaps"}, {"dryrun": "true"}):
        refused = await send(api, sites(1), expect=400, **query)
        assert [e["field"] for e in refused["errors"]] == list(query)
    await api.get("/websites/bulk", params={"idempotency_key": ""}, expect=400)
    await api.get(f"/websites/bulk/{uuid4()}/results?only=failed&only=failed", expect=400)
    assert await api.rows("SELECT 1 FROM bulk_imports") == []


async def test_a_key_that_may_only_read_imports_nothing(api):
    await api.add_regions("europe")
    for role, status in ((Role.READ, 403), (None, 401)):
        answer = await api.client(role).post(
            "/websites/bulk", content=sites(2000), headers={"Content-Type": NDJSON}
        )
        assert answer.status_code == status
        assert_problem(answer)
    assert await api.rows("SELECT 1 FROM websites") == []
