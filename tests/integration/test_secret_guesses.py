"""A guess of a write-only value looks the same whether it is right or wrong."""

import pytest

from monitor.services.secrets.vault import Vault
from support.api import VAULT, open_api
from support.audited import everything
from support.bulk import break_off, ndjson, results, send
from support.secretive import BODY, HEADERS, SECRETS, SHOWN, WORD, stored

HIDDEN = {n: v for n, v in HEADERS.items() if WORD in v}
WRONG = dict.fromkeys(HIDDEN, f"{WORD}-x")
GUESSES = {
    "body": ({"request_body": BODY}, {"request_body": BODY.replace("3", "9")}),
    "headers": ({"request_headers": HEADERS}, {"request_headers": HEADERS | WRONG}),
    "one header": (
        {"request_headers": SHOWN | {"x-team": HEADERS["x-team"]}},
        {"request_headers": SHOWN | {"x-team": f"{WORD}-x"}},
    ),
}
"""A right one and a wrong one."""


@pytest.fixture(params=["sealed", "clear"])
async def api(request, postgres_server, redis_url):
    vault = VAULT if request.param == "sealed" else Vault()
    async with open_api(postgres_server, redis_url, vault=vault) as opened:
        await opened.add_regions("europe")
        yield opened


async def _seen(api, website, guess, send_it):
    """All that a caller learns by a guess, and all that it changes: without ids and times."""
    path = f"/websites/{website['id']}"
    before = await api.get(path)
    await api.take_changes()
    await api.rows("DELETE FROM audit_log")
    answer = await send_it(guess)
    after = await api.get(path)
    rewritten = after.pop("updated_at") != before.pop("updated_at")
    entries = (await api.get("/audit"))["items"]
    logged = [(e["action"], e["changes"], e["details"]) for e in entries]
    checked = [now for _, now in await api.take_changes()]
    return answer, rewritten, after == before, logged, checked


def _ways(api, website):
    """Every way to send a value, and what is answered."""
    path = f"/websites/{website['id']}"

    async def patch(guess):
        answer = await api.patch(path, guess)
        return {k: v for k, v in answer.items() if k not in ("id", "created_at", "updated_at")}

    async def many(guess):
        answer = await api.request("PATCH", "/websites?all=true&confirm=1", json=guess, expect=200)
        return answer.json()

    async def lines(guess, **query):
        sent = {"external_id": "1", "url": website["url"]} | guess
        done = await send(api, ndjson(sent, sent), **query)
        counts = [done[n] for n in ("created", "updated", "unchanged", "failed")]
        return counts, [r["result"] for r in await results(api, done)]

    async def dry_run(guess):
        return await lines(guess, dry_run="true")

    return {"patch": patch, "many": many, "import": lines, "dry run": dry_run}


def _unmasked(value):
    """The value with the stored ones in the place of masks."""
    if isinstance(value, str):
        return value
    return {n: HEADERS[n] if v == "********" else v for n, v in value.items()}


WAYS = ["patch", "many", "import", "dry run"]


@pytest.mark.parametrize(
    ("way", "name"), [(w, n) for w in WAYS for n in GUESSES if (w, n) != ("many", "one header")]
)
async def test_a_right_guess_looks_like_a_wrong_one(api, way, name):
    seen = []
    for guess in GUESSES[name]:
        website = await api.add_website(url="https://shop.example/a", external_id="1", **SECRETS)
        # when
        seen.append(await _seen(api, website, guess, _ways(api, website)[way]))
        # then what was sent is stored, unless nothing is
        found = await stored(api.pool, api.deps.vault, website["id"])
        sent = {"request_headers": HEADERS, "request_body": BODY}
        if way != "dry run":
            sent |= {n: _unmasked(v) for n, v in guess.items()}
        assert found == (sent["request_headers"], sent["request_body"])
        await api.delete(f"/websites/{website['id']}")
    # and
    right, wrong = seen
    assert right == wrong


async def test_a_mask_is_no_change_and_what_is_shown_is_compared(api):
    website = await api.add_website(url="https://shop.example/a", external_id="1", **SECRETS)
    masks = {"request_headers": website["request_headers"], "request_body": "********"}
    sent = {"external_id": "1", "url": website["url"]} | masks
    for dry_run in ("true", "false"):
        done = await send(api, ndjson(sent), dry_run=dry_run)
        assert (done["unchanged"], done["updated"]) == (1, 0)
    assert await api.patch(f"/websites/{website['id']}", masks) == website
    plain = await api.add_website(url=website["url"], request_headers={"User-Agent": "a"})
    path = f"/websites/{plain['id']}"
    assert await api.patch(path, {"request_headers": {"User-Agent": "a"}}) == plain
    assert await stored(api.pool, api.deps.vault, website["id"]) == (HEADERS, BODY)


async def test_a_dry_run_is_one_entry_of_the_audit_log_even_if_it_is_broken_off(api):
    await api.add_website(url="https://shop.example/a", external_id="1", **SECRETS)
    guesses = [{"external_id": "1", "url": "https://shop.example/a", "request_body": f"{n}"}
               for n in range(2500)]  # fmt: skip
    await api.rows("DELETE FROM audit_log")
    before = await everything(api)
    # when
    done = await send(api, ndjson(*guesses), dry_run="true")
    # then
    (entry,) = (await api.get("/audit"))["items"]
    assert (entry["action"], entry["object_id"]) == ("websites.dry_run", done["id"])
    assert (entry["actor"], entry["changes"]) == ("tests admin", {})
    assert {k: v for k, v in (await everything(api)).items() if k != "audit_log"} == {
        k: v for k, v in before.items() if k != "audit_log"
    }
    # when
    await break_off(api, ndjson(*guesses)[:100_000], key="k", query=b"dry_run=true")
    # then
    listed = (await api.get("/audit", params={"action": "websites.dry_run"}))["items"]
    assert len(listed) == 2
