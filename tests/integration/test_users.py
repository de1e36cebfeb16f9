"""/users: admins invite, change, disable and delete people; the last admin stays."""

import asyncio
from uuid import uuid4

import pytest

from monitor.domain.access import Role
from monitor.domain.errors import Conflict
from monitor.resources.audit import Actor
from monitor.resources.key import NewKey
from monitor.services.access import audit, keys
from monitor.services.people import sessions, users
from support.people import people_of

ADA = {"email": "Ada@Example.com", "role": "write", "zone": "Europe/Berlin"}


@pytest.fixture
def people(api):
    with people_of(api.pool) as opened:
        yield opened


async def _audit(api, user_id):
    entries = (await api.get("/audit", params={"object": str(user_id)}))["items"]
    return [entry["action"] for entry in reversed(entries)]


async def test_a_person_is_invited_and_read(api):
    # when
    answer = await api.request("POST", "/users", json=ADA, expect=201)
    # then
    invited = answer.json()
    link = invited.pop("link")
    assert answer.headers["location"] == f"/users/{invited['id']}"
    assert invited.items() >= {**ADA, "state": "invited", "active_keys": 0}.items()
    assert link["purpose"] == "invitation"
    assert link["expires_at"] > invited["created_at"]
    assert await api.get(f"/users/{invited['id']}") == invited
    # and the token is stored nowhere
    stored = await api.rows("SELECT to_jsonb(l)::text FROM user_links l")
    assert len(stored) == 1
    assert link["token"] not in str(stored)
    assert link["token"] not in str((await api.get("/audit"))["items"])


async def test_people_are_listed_in_pages(api):
    # given
    invited = [await api.post("/users", ADA | {"email": f"{name}@example.com"}) for name in "abcde"]
    # when
    emails, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await api.get("/users", params=query)
        emails += [user["email"] for user in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    # then
    assert emails == [user["email"] for user in invited]
    refused = await api.request("GET", "/users", params={"cursor": "AAAA"}, expect=400)
    assert refused.json()["errors"][0]["field"] == "cursor"


async def test_an_address_is_one_persons_however_it_is_written(api):
    await api.post("/users", ADA)
    refused = await api.post("/users", ADA | {"email": "aDA@eXAMPLE.COM"}, expect=409)
    assert (refused["code"], refused["errors"][0]["field"]) == ("user_exists", "email")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email", "role"}),
        ({"email": "nobody", "role": "owner", "zone": "Mars/Olympus"}, {"email", "role", "zone"}),
        ({"email": "a@b.example, c@d.example", "role": "read"}, {"email"}),
        ({"email": ["a@b.example"], "role": None, "zone": None}, {"email", "role", "zone"}),
        ({**ADA, "zone": "../../etc/passwd"}, {"zone"}),
        ({**ADA, "id": str(uuid4()), "state": "active"}, {"id", "state"}),
        ({**ADA, "disabled": True, "password": "x"}, {"disabled", "password"}),
    ],
)
async def test_bad_fields_are_named_and_nothing_is_changed(api, body, fields):
    refused = await api.post("/users", body, expect=422)
    assert {error["field"] for error in refused["errors"]} == fields
    assert (await api.get("/users"))["items"] == []


async def test_role_and_zone_change_and_are_logged_field_by_field(api):
    # given
    user = await api.post("/users", ADA)
    path = f"/users/{user['id']}"
    # when
    changed = await api.patch(path, {"role": "read", "zone": "UTC"})
    # then
    assert (changed["role"], changed["zone"]) == ("read", "UTC")
    (entry, _) = (await api.get("/audit", params={"object": user["id"]}))["items"]
    assert entry["changes"] == {
        "role": {"old": "write", "new": "read"},
        "zone": {"old": "Europe/Berlin", "new": "UTC"},
    }
    # and what is so already is no change
    await api.patch(path, {"role": "read"})
    await api.patch(path, {})
    assert await _audit(api, user["id"]) == ["user.invited", "user.changed"]
    refused = await api.request("PATCH", path, json={"email": "b@example.com"}, expect=422)
    assert refused.json()["errors"] == [{"field": "email", "message": "is read-only"}]


async def test_disabling_ends_sessions_and_links_at_once(api, people):
    # given
    user, begun = await people.join()
    lifetime = api.deps.session_lifetime
    assert await sessions.identify(api.pool, begun.session, lifetime) is not None
    await users.reset(api.pool, user.id)
    # when
    disabled = await api.patch(f"/users/{user.id}", {"disabled": True})
    # then
    assert disabled["state"] == "disabled"
    assert disabled["disabled_at"] is not None
    assert await sessions.identify(api.pool, begun.session, lifetime) is None
    assert await api.rows("SELECT 1 FROM user_links") == []
    refused = await api.request("POST", f"/users/{user.id}/reset", expect=409)
    assert refused.json()["code"] == "user_disabled"
    # when
    enabled = await api.patch(f"/users/{user.id}", {"disabled": False})
    # then the password is what it was, and the sessions are gone
    assert (enabled["state"], enabled["disabled_at"]) == ("active", None)
    assert await sessions.identify(api.pool, begun.session, lifetime) is None
    await people.sign_in()


@pytest.mark.parametrize("change", [{"role": "write"}, {"disabled": True}, None])
async def test_the_last_admin_who_can_sign_in_stays(api, people, change):
    # given an admin, another who was only invited, and one who is disabled
    ada, _ = await people.join(role=Role.ADMIN)
    await people.invite("ben@example.com", Role.ADMIN)
    cy, _ = await people.join("cy@example.com", Role.ADMIN)
    await api.patch(f"/users/{cy.id}", {"disabled": True})
    path = f"/users/{ada.id}"
    # when
    method = "DELETE" if change is None else "PATCH"
    refused = await api.request(method, path, json=change, expect=409)
    # then
    assert refused.json()["code"] == "last_admin"
    assert (await api.get(path))["state"] == "active"
    # and what leaves an admin is allowed
    await api.patch(path, {"zone": "UTC", "role": "admin", "disabled": False})
    await api.patch(f"/users/{cy.id}", {"disabled": False})
    await api.request(method, path, json=change, expect=204 if change is None else 200)


async def test_of_admins_who_remove_each_other_at_once_one_stays(api, people):
    changes = [
        lambda user: users.change(api.pool, user.id, {"role": Role.READ}),
        lambda user: users.change(api.pool, user.id, {"disabled": True}),
        lambda user: users.delete(api.pool, user.id),
    ]
    for round_ in range(6):
        # given
        await api.rows("DELETE FROM users")
        admins = [(await people.join(f"{name}@example.com", Role.ADMIN))[0] for name in "abc"]
        # when
        done = await asyncio.gather(
            *(changes[(round_ + n) % 3](user) for n, user in enumerate(admins)),
            return_exceptions=True,
        )
        # then
        refused = [result for result in done if isinstance(result, Exception)]
        assert [type(error) for error in refused] == [Conflict]
        assert refused[0].code == "last_admin"
        left = await api.rows(
            "SELECT count(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL"
        )
        assert left == [(1,)]


async def test_keys_that_a_person_made_are_counted_and_end_on_request(api, people):
    # given a key of theirs, one that it made, its successor, and one of somebody else
    user, _ = await people.join()
    with audit.acting(Actor("ada@example.com", user_id=user.id)):
        made = await keys.create(api.pool, NewKey(name="own", role=Role.ADMIN))
    answer = await api.client(None).post(
        "/keys",
        json={"name": "of a key", "role": "read"},
        headers={"Authorization": f"Bearer {made.text}"},
    )
    child = answer.json()
    assert child["created_by"] == str(user.id)
    successor = await api.post(f"/keys/{child['id']}/rotate", {})
    assert successor["created_by"] == str(user.id)
    other = await api.post("/keys", {"name": "other", "role": "read"})
    assert other["created_by"] is None
    path = f"/users/{user.id}"
    # when they are disabled without a word of the keys
    disabled = await api.patch(path, {"disabled": True})
    # then that is said
    assert disabled["active_keys"] == 3
    assert (await api.get(f"/keys/{made.info.id}"))["state"] == "active"
    # when
    await api.request("PATCH", path, params={"revoke_keys": "true"}, json={}, expect=200)
    # then
    assert (await api.get(path))["active_keys"] == 0
    states = {key["name"]: key["state"] for key in (await api.get("/keys"))["items"]}
    assert states["own"] == states["of a key"] == "revoked"
    assert states["other"] == "active"
    (entry, *_) = (await api.get("/audit", params={"object": str(user.id)}))["items"]
    assert entry["details"] == {"sessions_ended": 0, "keys_revoked": 3}


async def test_what_a_deleted_person_did_and_made_stays(api, people):
    # given
    user, begun = await people.join()
    with audit.acting(Actor("ada@example.com", user_id=user.id)):
        made = await keys.create(api.pool, NewKey(name="own", role=Role.READ))
    # when
    await api.delete(f"/users/{user.id}")
    # then
    assert (await api.request("GET", f"/users/{user.id}", expect=404)).json()["code"] == (
        "user_not_found"
    )
    assert await sessions.identify(api.pool, begun.session, api.deps.session_lifetime) is None
    key = await api.get(f"/keys/{made.info.id}")
    assert (key["state"], key["created_by"]) == ("active", None)
    mine = (await api.get("/audit", params={"user": str(user.id)}))["items"]
    assert [entry["action"] for entry in mine] == ["key.created", "user.joined"]
    assert {entry["actor"] for entry in mine} == {"ada@example.com"}


async def test_sessions_of_a_person_are_listed_and_ended(api, people):
    # given
    user, _ = await people.join(user_agent="First\nbrowser")
    await people.sign_in(user_agent="Second", address="192.0.2.2")
    path = f"/users/{user.id}/sessions"
    # when
    listed = (await api.get(path))["items"]
    # then
    assert [(s["user_agent"], s["address"]) for s in listed] == [
        ("Second", "192.0.2.2"),
        ("First browser", "192.0.2.1"),
    ]
    assert all(s["ends_at"] > s["last_used_at"] for s in listed)
    # when
    await api.delete(path)
    await api.delete(path)
    # then
    assert (await api.get(path))["items"] == []
    assert await _audit(api, user.id) == ["user.invited", "user.joined", "user.sessions_ended"]


async def test_who_does_not_exist_is_not_found(api):
    nobody = f"/users/{uuid4()}"
    for method, path, body in [
        ("GET", nobody, None),
        ("PATCH", nobody, {"role": "read"}),
        ("DELETE", nobody, None),
        ("POST", f"{nobody}/reset", None),
        ("GET", f"{nobody}/sessions", None),
        ("DELETE", f"{nobody}/sessions", None),
    ]:
        answer = await api.request(method, path, json=body, expect=404)
        assert answer.json()["code"] == "user_not_found"


async def test_cookies_open_no_route_of_the_api(api, people):
    _, begun = await people.join(role=Role.ADMIN)
    cookie = {"Cookie": f"session={begun.session}; monitor_session={begun.session}"}
    answer = await api.client(None).get("/users", headers=cookie)
    assert answer.status_code == 401
