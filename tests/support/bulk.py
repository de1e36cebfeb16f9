"""Bulk imports and exports over the API, whole or broken off."""

import asyncio
import json

from monitor.domain.access import Role
from support.factories import website_bodies

NDJSON = "application/x-ndjson"


def ndjson(*objects):
    """Objects as lines."""
    return b"".join(json.dumps(o).encode() + b"\n" for o in objects)


def sites(count, first=0, **fields):
    """So many lines, each with an external_id of its own."""
    return ndjson(*website_bodies(count, first, **fields))


async def send(api, body, *, key=None, expect=200, **query):
    """The answer to a POST /websites/bulk."""
    headers = {"Content-Type": NDJSON} | ({} if key is None else {"Idempotency-Key": key})
    answer = await api.request(
        "POST", "/websites/bulk", content=body, headers=headers, params=query, expect=expect
    )
    return answer.json()


async def results(api, done, **query):
    """What became of every line."""
    path = f"/websites/bulk/{done['id']}/results"
    answer = await api.request("GET", path, params=query, expect=200)
    assert answer.headers["content-type"].startswith(NDJSON)
    return [json.loads(line) for line in answer.text.splitlines()]


async def the_import(api, key):
    """The one import that was sent with this key."""
    (found,) = (await api.get("/websites/bulk", params={"idempotency_key": key}))["items"]
    return found


async def break_off(api, *blocks, key, query=b""):
    """Send these blocks of a body, and go away. Returns when the API is done with it."""
    coming = iter([{"type": "http.request", "body": b, "more_body": True} for b in blocks])
    answers = []

    async def receive():
        await asyncio.sleep(0)
        return next(coming, {"type": "http.disconnect"})

    async def answer(message):
        answers.append(message)

    await api.app(_scope(api, key, query), receive, answer)
    return answers


def _scope(api, key, query):
    headers = {
        "host": "testserver",
        "authorization": f"Bearer {api.keys[Role.WRITE]}",
        "content-type": NDJSON,
        "idempotency-key": key,
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/websites/bulk",
        "raw_path": b"/websites/bulk",
        "root_path": "",
        "query_string": query,
        "headers": [(n.encode(), v.encode()) for n, v in headers.items()],
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
    }
