"""A request for every operation of the OpenAPI document, one that would do something."""

import json
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import uuid4

from monitor.domain.access import Role

_JSON, _NDJSON = "application/json", "application/x-ndjson"


@dataclass
class Operation:
    """A method and path of the document, and what the document says of it."""

    method: str
    path: str
    said: dict = field(repr=False)

    @property
    def key(self):
        return f"{self.method.upper()} {self.path}"

    @property
    def role(self):
        """The role that the document names; None: no key is needed."""
        (requirement,) = self.said["security"]
        if not requirement:
            return None
        ((name,),) = requirement.values()
        return Role(name)


async def operations(api):
    """Every operation of the document that the API serves."""
    document = (await api.client(None).get("/schema/openapi.json")).json()
    return [
        Operation(method, path, said)
        for path, item in document["paths"].items()
        for method, said in item.items()
    ]


BODIES = {
    "POST /websites": {"url": "https://walk.example/"},
    "PATCH /websites": {"paused": True},
    "PATCH /websites/{website_id}": {"paused": True},
    "POST /websites/bulk": {"url": "https://walk.example/"},
    "POST /regions": {"name": "walked"},
    "PATCH /regions/{name}": {"description": "walked"},
    "POST /keys": {"name": "walked", "role": "admin"},
    "POST /keys/{key_id}/rotate": {},
    "POST /users": {"email": "walked@example.com", "role": "admin"},
    "PATCH /users/{user_id}": {"disabled": True},
}
"""What to send; an operation with a body that is not here fails the walk."""

QUERIES = {
    "PATCH /websites": {"all": "true", "confirm": "1"},
    "DELETE /websites": {"all": "true", "confirm": "1"},
    "DELETE /regions/{name}": {"force": "true"},
}


@dataclass
class Place:
    """One of everything that a path can name, made for one operation."""

    names: dict

    def request(self, operation):
        """(method, URL, more) of a request that does what the operation is for."""
        query = urlencode(QUERIES.get(operation.key, {}))
        url = operation.path.format(**self.names) + (f"?{query}" if query else "")
        return operation.method.upper(), url, _body(operation)


def _body(operation):
    if "requestBody" not in operation.said:
        return {}
    assert operation.key in BODIES, f"{operation.key}: give the walk a body for it"
    (media_type,) = operation.said["requestBody"]["content"]
    assert media_type in {_JSON, _NDJSON}
    content = json.dumps(BODIES[operation.key]).encode()
    return {"content": content, "headers": {"Content-Type": media_type}}


async def make_place(api):
    """A region, one website that was down, an import of nothing, a key, a person with a session."""
    await api.rows("DELETE FROM websites")
    region = f"r{uuid4().hex[:12]}"
    await api.add_regions(region)
    website = await api.add_website()
    await api.open_incident(website, int(api.now_s) - 60)
    imported = await api.request(
        "POST", "/websites/bulk", content=b"", headers={"Content-Type": _NDJSON}, expect=200
    )
    key = await api.post("/keys", {"name": "place", "role": "read"})
    names = {
        "website_id": website["id"],
        "import_id": imported.json()["id"],
        "key_id": key["id"],
        "name": region,
        "user_id": await _person(api),
    }
    await api.take_changes()
    api.sent.clear()
    return Place(names)


async def _person(api):
    user = await api.post("/users", {"email": f"{uuid4().hex}@example.com", "role": "read"})
    await api.rows(
        "INSERT INTO user_sessions (id, hash, user_id, user_agent)"
        " VALUES (gen_random_uuid(), sha256(%s::text::bytea), %s, 'walk')",
        user["id"],
        user["id"],
    )
    return user["id"]


async def everything(api):
    """All rows of all tables, but for what a key may note of its own use."""
    tables = await api.rows(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1"
    )
    return {name: await _rows(api, name) for (name,) in tables}


async def _rows(api, table):
    own = " - 'last_used_at'" if table == "api_keys" else ""
    return await api.rows(f"SELECT to_jsonb(t){own} FROM {table} t ORDER BY to_jsonb(t)::text")
