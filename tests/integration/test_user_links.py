"""One-time links: opening one changes nothing, using one up does what it is for, once."""

import asyncio

import pytest

from monitor.domain.access import Role
from monitor.domain.errors import Conflict, InvalidInput, NotFound
from monitor.resources.user import UserSettings
from monitor.services.people import links, sessions, users
from support.people import OTHER_PASSWORD, PASSWORD, people_of
from support.served_api import served

GRACE = UserSettings(email="grace@example.com", role=Role.READ, zone="America/New_York")


@pytest.fixture
def people(api):
    with people_of(api.pool) as opened:
        yield opened


async def _everything(api):
    tables = ("users", "user_links", "user_sessions", "user_browsers", "audit_log")
    return {t: await api.rows(f"SELECT to_jsonb(t)::text FROM {t} t ORDER BY 1") for t in tables}


async def _unusable(people, token, **more):
    with pytest.raises(NotFound) as caught:
        await people.accept(token, **more)
    assert caught.value.code == "link_not_found"
    with pytest.raises(NotFound):
        await links.look(people.pool, token)
    return True


async def test_an_invitation_is_opened_any_number_of_times_and_used_once(api, people):
    # given
    user, token = await people.invite(role=Role.WRITE)
    before = await _everything(api)
    # when
    opened = [await links.look(api.pool, token) for _ in range(3)]
    # then
    assert {(o.purpose, o.user.email) for o in opened} == {("invitation", "ada@example.com")}
    assert await _everything(api) == before
    # when
    begun = await people.accept(token)
    # then
    person = await sessions.identify(api.pool, begun.session, api.deps.session_lifetime)
    assert (person.user_id, person.role) == (user.id, Role.WRITE)
    assert (await users.get(api.pool, user.id)).state == "active"
    assert await _unusable(people, token)


async def test_a_bad_password_uses_no_link_up(people):
    _, token = await people.invite()
    for password in ("short", "password1234", "159753456852"):
        with pytest.raises(InvalidInput) as caught:
            await people.accept(token, password)
        assert [problem.field for problem in caught.value.problems] == ["password"]
    await people.accept(token)


async def test_of_two_who_use_a_link_at_once_one_does(api, people):
    for n in range(5):
        # given
        _, token = await people.invite(f"u{n}@example.com")
        # when
        done = await asyncio.gather(
            people.accept(token, PASSWORD),
            people.accept(token, OTHER_PASSWORD),
            return_exceptions=True,
        )
        # then
        assert sorted(type(result).__name__ for result in done) == ["Begun", "NotFound"]
    assert await api.rows("SELECT count(*) FROM user_sessions") == [(5,)]


@pytest.mark.parametrize(
    ("purpose", "hours"), [("invitation", 7 * 24), ("reset", 1), ("first_admin", 24)]
)
async def test_links_live_as_long_as_their_purpose_says(api, people, purpose, hours):
    # given
    if purpose == "first_admin":
        token, first = (await links.link_first_admin(api.pool)).token, GRACE
    elif purpose == "invitation":
        (_, token), first = await people.invite(), None
    else:
        user, _ = await people.join()
        token, first = (await users.reset(api.pool, user.id)).link.token, None
    lives = "SELECT extract(epoch FROM expires_at - created_at) / 3600 FROM user_links"
    assert [(purpose, hours)] == [(purpose, float(row[0])) for row in await api.rows(lives)]
    # when
    await api.rows("UPDATE user_links SET expires_at = now()")
    # then
    assert await _unusable(people, token, first_admin=first)


async def test_a_new_link_replaces_the_one_before(api, people):
    user, first = await people.invite()
    again = await users.reset(api.pool, user.id)
    assert again.link.purpose == "invitation"
    assert await _unusable(people, first)
    await people.accept(again.link.token)


async def test_a_reset_changes_nothing_until_it_is_used_and_then_ends_all_sessions(api, people):
    # given
    user, begun = await people.join()
    reset = await api.request("POST", f"/users/{user.id}/reset", expect=200)
    token = reset.json()["link"]["token"]
    lifetime = api.deps.session_lifetime
    assert reset.json()["link"]["purpose"] == "reset"
    assert await sessions.identify(api.pool, begun.session, lifetime) is not None
    await people.sign_in()
    # when
    after = await people.accept(token, OTHER_PASSWORD)
    # then
    assert await sessions.identify(api.pool, begun.session, lifetime) is None
    assert await sessions.identify(api.pool, after.session, lifetime) is not None
    await people.sign_in(password=OTHER_PASSWORD)
    (entry,) = (await api.get("/audit", params={"action": "user.password_changed"}))["items"]
    assert (entry["actor"], entry["user_id"]) == ("ada@example.com", str(user.id))
    assert entry["details"] == {"by": "link", "sessions_ended": 2}


async def test_links_of_who_is_disabled_or_deleted_are_void(api, people):
    ada, first = await people.invite()
    await users.change(api.pool, ada.id, {"disabled": True})
    assert await _unusable(people, first)
    ben, second = await people.invite("ben@example.com")
    await users.delete(api.pool, ben.id)
    assert await _unusable(people, second)


async def test_the_first_admin_says_who_they_are(api, people):
    # given
    link = await links.link_first_admin(api.pool)
    opened = await links.look(api.pool, link.token)
    assert (opened.purpose, opened.user) == ("first_admin", None)
    with pytest.raises(InvalidInput) as caught:
        await people.accept(link.token)
    assert [problem.field for problem in caught.value.problems] == ["email"]
    # when
    begun = await people.accept(link.token, first_admin=GRACE)
    # then
    user = await users.get(api.pool, begun.user_id)
    assert (user.email, user.role, user.zone, user.state) == (
        "grace@example.com", "admin", "America/New_York", "active",
    )  # fmt: skip
    # and there is no other first
    with pytest.raises(Conflict) as caught:
        await links.link_first_admin(api.pool)
    assert caught.value.code == "admin_exists"


async def test_the_link_of_a_first_admin_is_void_once_there_is_one(api, people):
    link = await links.link_first_admin(api.pool)
    await people.join(role=Role.ADMIN)
    assert await _unusable(people, link.token, first_admin=GRACE)
    assert (await api.rows("SELECT count(*) FROM users")) == [(1,)]


async def test_no_admin_is_made_without_a_link(api):
    await api.post("/users", {"email": "ada@example.com", "role": "admin"})
    active = "SELECT count(*) FROM users WHERE password_hash IS NOT NULL"
    assert await api.rows(active) == [(0,)]


def test_people_are_looked_after_on_the_command_line(database_url, redis_url, tmp_path):
    with served(database_url, redis_url, tmp_path) as api:
        stores = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}

        def monitor(*words, expect=0):
            done = api.monitor("users", *words, **stores)
            assert done.returncode == expect, done.stderr
            return done.stdout.decode().strip(), done.stderr.decode()

        # when
        first, note = monitor("invite")
        assert len(first) == 43
        assert note.startswith("For one first admin, until ")
        token, note = monitor("invite", "ada@example.com", "--role", "write")
        assert note.startswith("For one invitation, until ")
        again, _ = monitor("reset", "ADA@example.com")
        assert len({first, token, again}) == 3
        # then
        (user,) = api.http.get("/users").json()["items"]
        assert (user["email"], user["role"], user["state"]) == (
            "ada@example.com", "write", "invited",
        )  # fmt: skip
        listed, _ = monitor("list")
        assert f"{user['id']}  write  invited" in listed
        # when
        monitor("disable", user["id"])
        assert api.http.get(f"/users/{user['id']}").json()["state"] == "disabled"
        monitor("enable", "ada@example.com")
        assert api.http.get(f"/users/{user['id']}").json()["state"] == "invited"
        # then what is wrong is said
        assert "no user with this id or address" in monitor("reset", "nobody", expect=1)[1]
        assert "--role" in monitor("invite", "--role", "read", expect=1)[1]
        assert "role: is required" in monitor("invite", "b@example.com", expect=1)[1]
        assert "already a user" in monitor(
            "invite", "Ada@example.com", "--role", "read", expect=1
        )[1]  # fmt: skip
        # and all of it is in the log
        entries = api.http.get("/audit", params={"limit": 5}).json()["items"]
        assert [entry["action"] for entry in reversed(entries)] == [
            "admin.linked", "user.invited", "user.reset_linked", "user.changed", "user.changed",
        ]  # fmt: skip
        assert all(entry["actor"].startswith("command line (") for entry in entries)
        assert not any(secret in str(entries) for secret in (first, token, again))
