"""A walk over every route and method of the OpenAPI document with every kind of key.

The walk is made from the document, so that a new route is walked without anybody's doing; the
table below says who may use it, so that no route opens to others without somebody's saying so.
"""

from uuid import uuid4

import pytest

from monitor.domain.access import Role
from monitor.resources.key import NewKey
from monitor.services.access import keys
from support.api import assert_problem
from support.walk import everything, make_place, operations

READ, WRITE, ADMIN = Role.READ, Role.WRITE, Role.ADMIN

NEEDED = {
    "GET /healthz": None,
    "HEAD /healthz": None,
    "GET /readyz": None,
    "HEAD /readyz": None,
    "GET /metrics": READ,
    "GET /websites": READ,
    "POST /websites": WRITE,
    "PATCH /websites": WRITE,
    "DELETE /websites": WRITE,
    "GET /websites/{website_id}": READ,
    "GET /websites/{website_id}/checks": READ,
    "GET /websites/{website_id}/sla": READ,
    "GET /sla": READ,
    "PATCH /websites/{website_id}": WRITE,
    "DELETE /websites/{website_id}": WRITE,
    "GET /websites/bulk": READ,
    "POST /websites/bulk": WRITE,
    "GET /websites/bulk/{import_id}": READ,
    "GET /websites/bulk/{import_id}/results": READ,
    "GET /websites/export": READ,
    "GET /regions": READ,
    "POST /regions": ADMIN,
    "GET /regions/{name}": READ,
    "PATCH /regions/{name}": ADMIN,
    "DELETE /regions/{name}": ADMIN,
    "GET /keys": ADMIN,
    "POST /keys": ADMIN,
    "GET /keys/{key_id}": ADMIN,
    "DELETE /keys/{key_id}": ADMIN,
    "POST /keys/{key_id}/rotate": ADMIN,
    "GET /users": ADMIN,
    "POST /users": ADMIN,
    "GET /users/{user_id}": ADMIN,
    "PATCH /users/{user_id}": ADMIN,
    "DELETE /users/{user_id}": ADMIN,
    "POST /users/{user_id}/reset": ADMIN,
    "GET /users/{user_id}/sessions": ADMIN,
    "DELETE /users/{user_id}/sessions": ADMIN,
    "GET /audit": ADMIN,
    "GET /monitor": READ,
    "GET /monitor/{website_id}": READ,
    "GET /monitor/{website_id}/downtime": READ,
    "GET /monitor/{website_id}/last_downtime": READ,
}
"""The least role whose keys may; None: whoever asks."""

UNDOCUMENTED = {
    "/schema",
    "/schema/openapi.json",
    "/schema/openapi.yaml",
    "/schema/openapi.yml",
    "/schema/{path}",
}
"""Routes that are not in the document: those that serve it, and the problem for all beside them."""


async def test_the_document_names_the_role_that_every_route_is_meant_to_need(api):
    said = {operation.key: operation.role for operation in await operations(api)}
    assert said == NEEDED


async def test_no_route_is_missing_from_the_document(api):
    documented = {operation.key for operation in await operations(api)}
    routed = {
        f"{method} {route.path_format}"
        for route in api.app.routes
        for method in route.methods - {"OPTIONS"}
        if route.path_format not in UNDOCUMENTED
    }
    assert routed == documented
    # and they are routes of HTTP, all of them: nothing is mounted beside
    assert {type(route).__name__ for route in api.app.routes} == {"HTTPRoute"}


async def _strangers(api):
    """Authorization headers of whom nobody knows, or no longer: {what: header}."""
    good = api.keys[ADMIN]
    revoked, expired = [
        await keys.create(api.pool, NewKey(name="ended", role=ADMIN, expires_in=3600))
        for _ in range(2)
    ]
    await keys.revoke_key(api.pool, revoked.info.id)
    long_over = "UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = %s"
    await api.rows(long_over, expired.info.id)
    return {
        "no key": None,
        "an empty key": "Bearer ",
        "a malformed key": "Bearer letmein",
        "a key cut short": f"Bearer {good[:-1]}",
        "a key that never was": f"Bearer mon_{uuid4().hex}_{good[37:]}",
        "another scheme": f"Basic {good}",
        "a revoked key": f"Bearer {revoked.text}",
        "an expired key": f"Bearer {expired.text}",
    }


async def test_requests_without_a_key_are_rejected_and_change_nothing(api):
    strangers = await _strangers(api)
    for operation in await operations(api):
        place = await make_place(api)
        method, url, more = place.request(operation)
        before = await everything(api)
        for what, header in strangers.items():
            # when
            headers = more.get("headers", {}) | ({"Authorization": header} if header else {})
            answer = await api.client(None).request(method, url, **more | {"headers": headers})
            # then
            if operation.role is None:
                assert answer.status_code == 200, (operation, what)
                continue
            assert answer.status_code == 401, (operation, what, answer.text)
            assert assert_problem(answer)["code"] == "unauthenticated"
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert await everything(api) == before, operation
        assert api.sent == []


@pytest.mark.parametrize("role", Role)
async def test_a_key_may_do_what_its_role_allows_and_nothing_else(api, role):
    for operation in await operations(api):
        # given
        place = await make_place(api)
        method, url, more = place.request(operation)
        before = await everything(api)
        # when
        answer = await api.request(method, url, role=role, **more)
        # then
        if operation.role is not None and not role.covers(operation.role):
            assert answer.status_code == 403, (operation, answer.text)
            assert answer.json()["code"] == "forbidden"
            assert "www-authenticate" not in answer.headers
            assert await everything(api) == before, operation
            assert api.sent == []
        else:
            assert answer.is_success, (operation, answer.text)
            # what is refused above would have done something, and reading does nothing
            reads = operation.method in {"get", "head"}
            assert (await everything(api) == before) is reads, operation


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")


async def test_methods_that_the_document_does_not_name_do_nothing(api):
    place = await make_place(api)
    before = await everything(api)
    documented = await operations(api)
    for path in {operation.path for operation in documented}:
        url = path.format(**place.names)
        named = {o.method.upper() for o in documented if o.path == path}
        for method in [m for m in METHODS if m not in named]:
            for role in (None, ADMIN):
                answer = await api.client(role).request(method, url)
                assert answer.status_code == 405, (method, path, answer.text)
        # OPTIONS is of the framework's making, and not for strangers either
        assert (await api.request("OPTIONS", url, role=None)).status_code == 401, path
        allowed = await api.request("OPTIONS", url, expect=204)
        assert set(allowed.headers["allow"].split(", ")) == named | {"OPTIONS"}
    assert await everything(api) == before
