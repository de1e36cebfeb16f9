"""A field that is declared, in one line, is everywhere: nothing else has to know of it.

The processes here have two more options than the product: ``patience``, and ``token``, a secret.
Their declarations are in support/hooks/more_fields, and only there.
"""

import csv
import io
import json
from pathlib import Path

import msgspec
import pytest
import redis as redis_client
from cryptography.fernet import Fernet, InvalidToken

from monitor.services.secrets.vault import new_key
from monitor.storage.redis import keys
from support.databases import forget_websites, new_database
from support.served_api import forget_killed, served, serving

HOOK = {"PYTHONPATH": str(Path(__file__).parents[1] / "support" / "hooks" / "more_fields")}
MASK = "********"
KEY = new_key()


@pytest.fixture(scope="module")
def server(postgres_server, redis_server, tmp_path_factory):
    """One API for these tests, and its stores."""
    directory, settings = tmp_path_factory.mktemp("served"), HOOK | {"MONITOR_ENCRYPTION_KEYS": KEY}
    with (
        new_database(postgres_server) as database_url,
        served(database_url, redis_server.url, directory, **settings) as api,
    ):
        yield api, {"DATABASE_URL": database_url, "REDIS_URL": redis_server.url} | HOOK


@pytest.fixture
def api(server, redis_url):
    """Without websites."""
    api, api.stores = server
    forget_websites(api.stores["DATABASE_URL"])
    return api


@pytest.fixture
def website(api):
    body = {"url": "https://a.example/", "patience": 3, "token": "s3cr3t"}
    answer = api.http.post("/websites", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def _read(api, website):
    return api.http.get(f"/websites/{website['id']}").json()


def _projected(api, redis_url):
    """The definition in Redis, as plain values."""
    assert api.monitor("sync", **api.stores).returncode == 0
    with redis_client.Redis.from_url(redis_url) as redis:
        (raw,) = redis.hvals(keys.DEFINITIONS)
    return msgspec.msgpack.decode(raw)


def _changes(api, action):
    items = api.http.get("/audit", params={"action": action}).json()["items"]
    return items[0]["changes"]


def test_a_plain_field_is_posted_read_and_projected(api, website, redis_url):
    assert (website["patience"], _read(api, website)["patience"]) == (3, 3)
    assert _projected(api, redis_url)["check"]["patience"] == 3
    assert _changes(api, "website.created")["patience"] == {"new": 3}


def test_a_field_that_is_not_sent_has_its_default(api):
    made = api.http.post("/websites", json={"url": "https://b.example/"}).json()
    assert (made["patience"], made["token"]) == (0, "")


def test_bad_values_are_named_with_all_others(api):
    refused = api.http.post("/websites", json={"url": "b", "patience": 10, "token": 1}).json()
    assert {e["field"]: e["message"] for e in refused["errors"]} == {
        "url": "must begin with http:// or https://",
        "patience": "must be a whole number from 0 to 9",
        "token": "must be a string of 0 to 100 characters",
    }


def test_it_is_patched_and_the_change_is_audited(api, website):
    patched = api.http.patch(f"/websites/{website['id']}", json={"patience": 4}).json()
    assert (patched["patience"], patched["token"]) == (4, MASK)
    assert _changes(api, "website.changed") == {"patience": {"old": 3, "new": 4}}


def test_it_is_patched_of_many_at_once(api, website):
    query = {"all": "true", "confirm": "1"}
    body = {"patience": 5, "token": "an0ther"}
    # when it is sent twice
    done = [api.http.patch("/websites", params=query, json=body).json() for _ in range(2)]
    # then nobody learns by the second time that the secret is so already
    assert [d["changed"] for d in done] == [1, 1]
    assert _read(api, website)["patience"] == 5
    assert _changes(api, "websites.changed") == {"patience": {"new": 5}, "token": {"new": MASK}}
    plain = api.http.patch("/websites", params=query, json={"patience": 5}).json()
    assert plain["changed"] == 0
    masked = api.http.patch("/websites", params=query, json={"token": MASK})
    assert masked.status_code == 422
    assert masked.json()["errors"][0]["field"] == "token"


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_what_is_exported_can_be_imported_and_changes_nothing(api, website, form):
    exported = api.http.get("/websites/export", params={"format": form}).text
    row = (
        json.loads(exported)
        if form == "ndjson"
        else next(csv.DictReader(io.StringIO(exported, newline="")))
    )
    assert (str(row["patience"]), row["token"]) == ("3", MASK)
    file = api.write(f"websites.{form}", exported)
    # when
    done = api.monitor("import", file, **HOOK)
    # then
    assert done.returncode == 0, done.stderr
    assert b"1 unchanged" in done.stdout


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("ndjson", '{"url": "https://c.example/", "patience": 7, "token": "s3cr3t"}\n'),
        ("csv", "url,patience,token\nhttps://c.example/,7,s3cr3t\n"),
    ],
)
def test_it_is_imported(api, form, content):
    done = api.monitor("import", api.write(f"websites.{form}", content), **HOOK)
    assert b"1 created" in done.stdout, done.stderr
    (made,) = api.websites()
    assert (made["patience"], made["token"]) == (7, MASK)


def test_a_secret_is_encrypted_wherever_it_is_stored(api, website, redis_url):
    projected = _projected(api, redis_url)
    assert "token" not in projected["check"]
    assert Fernet(KEY).decrypt(projected["sealed"]["token"]) == b"s3cr3t"


def test_a_secret_is_encrypted_again_with_a_new_key(database_url, redis_url, tmp_path):
    # given a Redis in which no API is heard of that has one key only
    redis_url = f"{redis_url.removesuffix('/0')}/1"
    newer, stores = new_key(), {"DATABASE_URL": database_url, "REDIS_URL": redis_url} | HOOK
    with served(database_url, redis_url, tmp_path, MONITOR_ENCRYPTION_KEYS=KEY, **HOOK) as api:
        body = {"url": "https://a.example/", "token": "s3cr3t"}
        assert api.http.post("/websites", json=body).status_code == 201
    # given an API that has the new key, too
    forget_killed(redis_url)
    settings = {"MONITOR_ENCRYPTION_KEYS": f"{newer},{KEY}"}
    with serving(database_url, redis_url, tmp_path, api.keys, **settings, **HOOK) as api:
        api.stores = stores
        # when
        done = api.monitor("secrets", "rotate", **settings, **stores)
        # then
        assert b"of 1 websites" in done.stdout, done.stderr
        token = _projected(api, redis_url)["sealed"]["token"]
    assert Fernet(newer).decrypt(token) == b"s3cr3t"
    with pytest.raises(InvalidToken):
        Fernet(KEY).decrypt(token)


def test_a_secret_stays_with_the_server_it_was_meant_for(api, website):
    path = f"/websites/{website['id']}"
    refused = api.http.patch(path, json={"url": "https://evil.example/"})
    assert refused.status_code == 422
    assert "send token again" in refused.json()["detail"]
    # but moves where it is sent anew, or where the server stays
    assert api.http.patch(path, json={"url": "https://a.example/b"}).status_code == 200
    moved = api.http.patch(path, json={"url": "https://evil.example/", "token": "s3cr3t"})
    assert moved.status_code == 200


def test_it_is_in_the_document_with_its_bounds_and_description(api):
    schemas = api.http.get("/schema/openapi.json").json()["components"]["schemas"]
    assert schemas["NewWebsite"]["properties"]["patience"] == {
        "type": "integer", "minimum": 0, "maximum": 9, "default": 0,
        "description": "How patient to be.",
    }  # fmt: skip
    for name in ("NewWebsite", "WebsiteChange", "WebsitesChange", "Website", "ExportedWebsite"):
        assert {"patience", "token"} <= schemas[name]["properties"].keys(), name
