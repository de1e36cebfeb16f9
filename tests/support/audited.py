"""For every route that writes: a request that changes something, and what all of it changes."""

from support.bulk import NDJSON, ndjson
from support.secretive import SECRETS

CHANGING = (
    "websites", "website_regions", "regions", "changes", "incidents", "verdicts", "users",
    "user_links", "user_sessions",
)  # fmt: skip


async def everything(api):
    """All that a request may change, and the log of it."""
    found = {t: await api.rows(f"SELECT * FROM {t} ORDER BY 1, 2") for t in CHANGING}
    # Using a key writes to its row, and changes nothing.
    keys = "SELECT id, name, role, expires_at, revoked_at, replaced_by FROM api_keys ORDER BY id"
    logged = "SELECT * FROM audit_log ORDER BY seq"
    return found | {"api_keys": await api.rows(keys), "audit_log": await api.rows(logged)}


class Recipes:
    """For each route that writes, a request that changes something, what is logged of it and about
    what. A new route needs one."""

    def __init__(self, api, website, key, user):
        self._website, self._key, self._user = website["id"], key["id"], user["id"]
        self._api = api

    def of(self, method, path):
        """(concrete path, arguments, action, object)"""
        new = {"url": "https://new.example/", **SECRETS}
        website, key = f"/websites/{self._website}", f"/keys/{self._key}"
        user = f"/users/{self._user}"
        many = "/websites?all=true&confirm=1"
        region, name = "/regions/europe", {"name": "asia"}
        reader = {"name": "n", "role": "read"}
        table = {
            ("post", "/websites"): ("/websites", new, "website.created", "new"),
            ("patch", "/websites/{website_id}"): (
                website, {"name": "other"}, "website.changed", self._website,
            ),
            ("delete", "/websites/{website_id}"): (
                website, None, "website.deleted", self._website,
            ),
            ("patch", "/websites"): (many, {"paused": True}, "websites.changed", None),
            ("delete", "/websites"): (many, None, "websites.deleted", None),
            ("post", "/websites/bulk"): ("/websites/bulk", [new, new], "websites.imported", "new"),
            ("post", "/regions"): ("/regions", name, "region.created", "asia"),
            ("patch", "/regions/{name}"): (
                region, {"description": "x"}, "region.changed", "europe",
            ),
            ("delete", "/regions/{name}"): (
                f"{region}?force=true", None, "region.deleted", "europe",
            ),
            ("post", "/keys"): ("/keys", reader, "key.created", "new"),
            ("post", "/keys/{key_id}/rotate"): (f"{key}/rotate", {}, "key.rotated", self._key),
            ("delete", "/keys/{key_id}"): (key, None, "key.revoked", self._key),
            ("post", "/users"): (
                "/users", {"email": "new@example.com", "role": "read"}, "user.invited", "new",
            ),
            ("patch", "/users/{user_id}"): (user, {"role": "write"}, "user.changed", self._user),
            ("delete", "/users/{user_id}"): (user, None, "user.deleted", self._user),
            ("post", "/users/{user_id}/reset"): (
                f"{user}/reset", None, "user.reset_linked", self._user,
            ),
            ("delete", "/users/{user_id}/sessions"): (
                f"{user}/sessions", None, "user.sessions_ended", self._user,
            ),
        }  # fmt: skip
        real, body, action, about = table[method, path]
        return real, _arguments(body), action, about


def _arguments(body):
    if isinstance(body, list):
        return {"content": ndjson(*body), "headers": {"Content-Type": NDJSON}}
    return {} if body is None else {"json": body}


async def writing_routes(api):
    """(method, path) of each route of the document that writes."""
    document = (await api.client(None).get("/schema/openapi.json")).json()
    return [
        (m, p) for p, item in document["paths"].items() for m in item if m not in ("get", "head")
    ]


async def given(api):
    """A region, a website, a key and a person with a session, and nothing logged yet."""
    await api.rows("DELETE FROM websites")
    await api.rows("DELETE FROM regions")
    await api.rows("DELETE FROM users")
    await api.add_regions("europe")
    website = await api.add_website(url="https://shop.example/")
    key = await api.post("/keys", {"name": "ci", "role": "read"})
    user = await api.post("/users", {"email": "ada@example.com", "role": "read"})
    await api.rows(
        "INSERT INTO user_sessions (id, hash, user_id, user_agent)"
        " VALUES (gen_random_uuid(), sha256('audited'), %s, '')",
        user["id"],
    )
    await api.rows("DELETE FROM audit_log")
    return Recipes(api, website, key, user)
