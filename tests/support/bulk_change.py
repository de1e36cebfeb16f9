"""Four websites, and changes of all that match."""


async def begin(api):
    """Four websites; their names are those of the variables they are unpacked to."""
    await api.add_regions("europe", "asia", "a-z", "a0")
    made = [
        await api.add_website(url="https://shop.example/a", regions=["europe"], name="one"),
        await api.add_website(url="https://shop.example/b", regions=["asia", "europe"]),
        await api.add_website(url="https://blog.example/", regions=["asia"], paused=True),
        await api.add_website(url="https://blog.example/x", request_timeout=50),
    ]
    await api.take_changes()
    api.sent.clear()
    return made


async def bulk(api, method, query, body=None, *, expect):
    json = {} if method == "DELETE" else {"json": body}
    answer = await api.request(method, f"/websites?{query}", expect=expect, **json)
    return answer.json()


async def down(api, site, region):
    await api.rows(
        "INSERT INTO verdicts (website_id, region, verdict, at, slot, reason)"
        " VALUES (%s, %s, 'down', now(), now(), 'http_status')", site["id"], region,
    )  # fmt: skip
    await api.open_incident(site, api.now_s - 60)
