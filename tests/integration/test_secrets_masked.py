"""Request headers and bodies are write-only: masked wherever they could be read back."""

import csv
import io

import pytest

from monitor.services.secrets.vault import Vault
from support.api import VAULT, open_api
from support.bulk import ndjson, results, send
from support.secretive import BODY, HEADERS, SECRETS, SHOWN, WORD, lines, stored

SERVER = "https://shop.example"


@pytest.fixture(params=["sealed", "clear"])
async def api(request, postgres_server, redis_url):
    vault = VAULT if request.param == "sealed" else Vault()
    async with open_api(postgres_server, redis_url, vault=vault) as opened:
        yield opened


async def _given(api, **fields):
    await api.add_regions("europe")
    return await api.add_website(url=f"{SERVER}/a", **(SECRETS | fields))


async def _stored(api, website):
    return await stored(api.pool, api.deps.vault, website["id"])


async def test_what_was_sent_reads_back_masked(api):
    made = await _given(api, external_id="1")
    path = f"/websites/{made['id']}"
    changed = await api.patch(path, {"name": "renamed"})
    (listed,) = (await api.get("/websites"))["items"]
    for shown in (made, changed, listed, await api.get(path)):
        assert shown["request_headers"] == SHOWN
        assert shown["request_body"] == "********"
    # and what is stored is what was sent
    assert await _stored(api, made) == (HEADERS, BODY)


async def test_no_route_shows_a_secret(api):
    # given a website, an import with a line that failed, a downtime, a person
    website = await _given(api, external_id="1")
    bad = {"request_headers": {"X": f"{WORD}\n", "Y": f"{WORD}"}, "request_body": 1}
    done = await send(api, ndjson({"url": "x", **bad}, {"url": SERVER, **SECRETS}), key="k")
    await api.open_incident(website, api.now_s - 60)
    document = (await api.client(None).get("/schema/openapi.json")).json()
    ids = {"website_id": website["id"], "import_id": done["id"], "name": "europe"}
    ids["key_id"] = (await api.get("/keys"))["items"][0]["id"]
    invited = await api.post("/users", {"email": "ada@shop.example", "role": "read"})
    ids["user_id"] = invited["id"]
    # when every route that reads is asked
    asked = 0
    for path, item in document["paths"].items():
        if "get" in item:
            answer = await api.client().get(path.format(**ids))
            assert answer.status_code == 200, path
            assert WORD not in answer.text, path
            asked += 1
    assert asked >= 15
    csv_text = (await api.request("GET", "/websites/export?format=csv")).text
    assert WORD not in csv_text
    assert SHOWN["x-team"] in csv_text
    # and none that writes says it either
    for body in ({**SECRETS, **bad}, {"external_id": "1", "url": SERVER, **SECRETS}):
        for method, path in (
            ("POST", "/websites"),
            ("PATCH", f"/websites/{website['id']}"),
            ("PATCH", "/websites?all=true&confirm=2"),
        ):
            answer = await api.request(method, path, json=body)
            assert WORD not in answer.text, (method, path)
    assert WORD not in str(await results(api, done))


async def test_a_mask_that_is_sent_back_leaves_the_value_as_it_is(api):
    website = await _given(api)
    path = f"/websites/{website['id']}"
    await api.take_changes()
    # when all of it comes back
    own = {"id", "status", "created_at", "updated_at", "regions"}
    again = await api.patch(path, {k: v for k, v in website.items() if k not in own})
    # then nothing has changed
    assert again == website
    assert await _stored(api, website) == (HEADERS, BODY)
    # when some is changed, one spelt in another way
    sent = {"authorization": "********", "X-New": f"{WORD}-new", "Accept": "text/html"}
    changed = await api.patch(path, {"request_headers": sent})
    # then
    headers = sent | {"authorization": HEADERS["Authorization"]}
    assert await _stored(api, website) == (headers, BODY)
    assert changed["request_headers"] == {
        "authorization": "********",
        "X-New": "********",
        "Accept": "text/html",
    }
    # and a secret alone is a change, which is checked at once
    await api.take_changes()
    await api.patch(path, {"request_body": f"{WORD}-other"})
    assert await api.take_changes() == [(website["id"], True)]
    assert await _stored(api, website) == (headers, f"{WORD}-other")


@pytest.mark.parametrize(
    "body",
    [{"request_headers": {"X-Other": "********"}}, {"request_body": "********"}],
)
async def test_a_mask_of_nothing_is_refused(api, body):
    await api.add_regions("europe")
    website = await api.add_website(url=f"{SERVER}/a", request_headers={"X": WORD})
    field = next(iter(body))
    for method, path, sent in (
        ("POST", "/websites", {"url": SERVER} | body),
        ("PATCH", f"/websites/{website['id']}", body),
        ("PATCH", "/websites?all=true&confirm=1", body),
    ):
        answer = await api.request(method, path, json=sent, expect=422)
        assert [e["field"] for e in answer.json()["errors"]] == [field]
    done = await send(api, ndjson({"url": SERVER} | body, {"url": SERVER}))
    assert (done["failed"], done["created"]) == (1, 1)
    assert done["failures"][0]["errors"][0]["field"] == field
    assert await _stored(api, website) == ({"X": WORD}, "")


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/a", "http://shop.example/a", "https://shop.example:444/a"],
)
async def test_secrets_do_not_go_to_a_server_they_were_not_given_for(api, url):
    website = await _given(api, external_id="1")
    path = f"/websites/{website['id']}"
    kept = [{}, {"request_headers": SHOWN}, {"request_body": "********"}]
    kept += [{"request_body": ""}, {"request_headers": {}}]
    for more in kept:
        body = {"url": url} | more
        for where in (path, "/websites?all=true&confirm=1"):
            if where != path and "********" in str(more):
                continue
            answer = await api.request("PATCH", where, json=body, expect=422)
            assert [e["field"] for e in answer.json()["errors"]] == ["url"], more
        done = await send(api, ndjson({"external_id": "1"} | body))
        assert (done["failed"], done["failures"][0]["errors"][0]["field"]) == (1, "url")
    assert (await api.get(path))["url"] == f"{SERVER}/a"
    # but to another page of it, and anywhere when they are sent anew or taken away
    await api.patch(path, {"url": "https://SHOP.example:443/b"})
    assert await _stored(api, website) == (HEADERS, BODY)
    await api.patch(path, {"url": url, "request_headers": {"X": WORD}, "request_body": ""})
    assert await _stored(api, website) == ({"X": WORD}, "")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example", "Authorization": "********"},
        {"host": "evil.example"},
        {"Host": "shop.example:8443"},
        {"Host": ""},
        {"Host": "shop.example/x"},
        {"Host": "[evil"},
        {},
    ],
)
async def test_secrets_do_not_go_to_a_host_they_were_not_given_for(api, headers):
    # given a site of a shared front end, whose body is a secret as well
    given = {"Host": "tenant.example", **HEADERS}
    website = await _given(api, external_id="1", request_headers=given)
    path, body = f"/websites/{website['id']}", {"request_headers": headers}
    # when
    for where in (path, "/websites?all=true&confirm=1"):
        if where != path and "********" in str(body):
            continue
        answer = await api.request("PATCH", where, json=body, expect=422)
        # then
        assert [e["field"] for e in answer.json()["errors"]] == ["request_headers"], where
        assert "another server" in answer.text
    done = await send(api, ndjson({"external_id": "1", "url": website["url"]} | body))
    assert (done["failed"], done["failures"][0]["errors"][0]["field"]) == (1, "request_headers")
    assert await _stored(api, website) == (given, BODY)
    # and when all secrets are sent anew
    headers = {"Host": "evil.example", "X": WORD}
    await api.patch(path, {"request_headers": headers, "request_body": f"{WORD}-7"})
    assert await _stored(api, website) == (headers, f"{WORD}-7")


async def test_the_host_may_be_written_in_another_way_or_change_without_secrets(api):
    website = await _given(api)
    path = f"/websites/{website['id']}"
    for host in ("SHOP.example", "shop.example.", "shop.example:443"):
        sent = {"request_headers": {"Host": host, "Authorization": "********"}}
        await api.patch(path, sent)
    authorization = HEADERS["Authorization"]
    kept = {"Host": "shop.example:443", "Authorization": authorization}
    assert await _stored(api, website) == (kept, BODY)
    shown = {"Host": "********", "Authorization": "********"}  # "as it is", though it is shown
    await api.patch(path, {"request_headers": shown})
    assert await _stored(api, website) == (kept, BODY)
    # and any, where nothing is hidden
    plain = await api.add_website(url=SERVER, request_headers={"Accept": "*/*"})
    await api.patch(f"/websites/{plain['id']}", {"request_headers": {"Host": "other.example"}})


@pytest.mark.parametrize("format_", ["ndjson", "csv"])
async def test_an_export_that_is_imported_destroys_no_secret(api, format_):
    website = await _given(api, external_id="1")
    answer = await api.request("GET", "/websites/export", params={"format": format_})
    assert WORD not in answer.text
    (line,) = (
        lines(answer.text)
        if format_ == "ndjson"
        else csv.DictReader(io.StringIO(answer.text, newline=""))
    )
    # when it comes back with another name
    sent = {"id": line["id"], "url": line["url"], "name": "new", "request_headers": SHOWN}
    done = await send(api, ndjson(sent | {"request_body": line["request_body"]}))
    # then
    assert (done["updated"], done["failed"]) == (1, 0)
    assert await _stored(api, website) == (HEADERS, BODY)
