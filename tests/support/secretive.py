"""Websites that hold secrets, and where those could be seen."""

import json

from monitor.storage.postgres.websites import fetch
from monitor.storage.redis.client import raw

WORD = "s3cr3t"
"""In every secret of these tests, and in nothing else."""

HEADERS = {
    "Authorization": f"Bearer {WORD}-1",
    "x-team": f"{WORD}-2",
    "Accept": "application/json",
    "Accept-Token": f"{WORD}-4",
    "User-Agent": "shop-check/1",
    "X-Empty": "",
}
SHOWN = {"Authorization": "********", "x-team": "********", "Accept": "application/json"}
SHOWN |= {"Accept-Token": "********", "User-Agent": "shop-check/1", "X-Empty": ""}
BODY = f'{{"password": "{WORD}-3"}}'
SECRETS = {"request_headers": HEADERS, "request_body": BODY, "http_method": "POST"}

_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"


async def stored(pool, vault, website_id):
    """(headers, body) as they would be sent."""
    async with pool.connection() as connection:
        found = (await fetch(connection, website_id)).website
    check = vault.decrypt(found.check, found.encrypted)
    return check.request_headers, check.request_body


async def in_postgres(api):
    """Everything that every table holds, as text."""
    tables = [name for (name,) in await api.rows(_TABLES)]
    rows = [await api.rows(f'SELECT t::text FROM "{name}" t') for name in tables]
    return "\n".join(map(str, rows))


async def in_redis(redis):
    """Everything that every key holds, as bytes."""
    return b"\n".join([raw(await redis.dump(key)) for key in await redis.keys()])


def lines(text):
    return [json.loads(line) for line in text.splitlines()]
