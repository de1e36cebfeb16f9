"""A dry run says what an import would do, line by line, and changes nothing."""

import asyncio

from support.bulk import break_off, ndjson, results, send, sites

_TABLES = ("websites", "website_regions", "changes", "verdicts", "incidents")


async def _everything(api):
    return {t: await api.rows(f"SELECT * FROM {t} ORDER BY 1") for t in _TABLES}


def _body(made):
    """Lines whose outcomes hang on each other, over three chunks."""
    old = {"url": "https://old.example/", "external_id": "old"}
    return (
        ndjson(old, {"url": "https://new.example/", "external_id": "old"}, {"url": 1})
        + sites(1500)
        + ndjson({"id": made["id"], "url": "https://new.example/", "external_id": "moved"})
        + sites(1000)
        + sites(1, name="other")
        + ndjson({"url": "https://new.example/", "external_id": "moved"}, old)
    )


async def test_dry_run_predicts_the_import(api):
    # given
    await api.add_regions("europe")
    made = await api.add_website(url="https://old.example/", external_id="old")
    before = await _everything(api)
    api.sent.clear()
    # when
    dry = await send(api, _body(made), dry_run="true")
    # then
    assert await _everything(api) == before
    assert api.sent == []
    assert (dry["dry_run"], dry["state"]) == (True, "finished")
    said = await results(api, dry)
    # and when it is done
    done = await send(api, _body(made))
    told = ("lines", "created", "updated", "unchanged", "failed", "failures")
    assert {k: dry[k] for k in told} == {k: done[k] for k in told}
    did = await results(api, done)
    assert [(r["line"], r["result"]) for r in said] == [(r["line"], r["result"]) for r in did]
    # only websites that exist have an id in a dry run
    assert {r["id"] for r in said} == {made["id"], None}


async def test_interrupted_dry_run_starts_over(api):
    # given
    await api.add_regions("europe")
    body = sites(3000) + sites(1000)
    found = []

    async def dry(key):
        found.append(await send(api, body, key=key, dry_run="true"))

    await break_off(api, body[:200_000], key="k", query=b"dry_run=true")
    # when, beside another one
    await asyncio.gather(dry("k"), dry("other"))
    # then
    for one in found:
        counts = (one["lines"], one["created"], one["unchanged"])
        assert counts == (4000, 3000, 1000)
        assert len(await results(api, one)) == 4000
    assert await api.rows("SELECT 1 FROM websites") == []
    again = await send(api, body, key="k", dry_run="true")
    assert again in found
    refused = await send(api, body, key="k", expect=422)
    assert refused["code"] == "idempotency_key_reused"
