"""Signing in: one answer and one amount of work whoever tries; sessions that end when they must."""

import asyncio
import datetime as dt

import pytest

from monitor.domain.access import Role
from monitor.domain.errors import Busy, InvalidInput, SignInRefused, TooManyTries
from monitor.domain.people import (
    LIMIT_OF_ACCOUNT,
    LIMIT_OF_ADDRESS,
    LIMIT_OF_BROWSER,
    SessionLifetime,
    SignInResult,
)
from monitor.services.people import sessions, users
from monitor.services.people.hashing import Argon2, Hasher
from monitor.services.people.sessions import Visitor
from monitor.services.people.sign_in import SignIn
from monitor.storage.postgres.user_sessions import MAX_BROWSERS, MAX_SESSIONS
from support.people import OTHER_PASSWORD, PASSWORD, people_of

LIFETIME = SessionLifetime()


@pytest.fixture
def people(api):
    with people_of(api.pool) as opened:
        yield opened


async def _who(api, begun):
    person = await sessions.identify(api.pool, begun.session, LIFETIME)
    return None if person is None else person.email


async def _fails(people, email="ada@example.com", password="wrong wrong wrong", **visitor):
    with pytest.raises((SignInRefused, TooManyTries)) as caught:
        await people.sign_in(email, password, **visitor)
    return caught.type


async def test_a_person_signs_in_and_is_recognised(api, people):
    # given
    user, _ = await people.join("Ada@Example.com")
    # when
    begun = await people.sign_in(" ada@EXAMPLE.com ")
    # then
    person = await sessions.identify(api.pool, begun.session, LIFETIME)
    assert (person.user_id, person.email, person.role) == (user.id, "Ada@Example.com", "read")
    assert (await users.get(api.pool, user.id)).last_seen_at is not None
    assert people.results == [SignInResult.SIGNED_IN]
    # and nothing that a browser holds is stored
    for table in ("user_sessions", "user_browsers", "users", "sign_in_limits"):
        stored = str(await api.rows(f"SELECT to_jsonb(t)::text FROM {table} t"))
        assert not any(secret in stored for secret in (begun.session, begun.browser, PASSWORD)), (
            table
        )


async def test_who_may_not_sign_in_costs_the_same_and_is_told_the_same(api, people):
    # given
    await people.join("ada@example.com")
    ben, _ = await people.join("ben@example.com")
    await people.invite("cy@example.com")
    await users.change(api.pool, ben.id, {"disabled": True})
    # when
    messages = []
    for email, password in [
        ("ada@example.com", "wrong wrong wrong"),
        ("ben@example.com", PASSWORD),
        ("cy@example.com", PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("not an address \0\x1b", PASSWORD),
        ("", ""),
        ("ada@example.com", PASSWORD + "x" * 10_000),
    ]:
        with pytest.raises(SignInRefused) as caught:
            await people.sign_in(email, password)
        messages.append(str(caught.value))
    # then each was one verification, against a stored hash or a decoy
    assert people.hasher.verified == [True, True, False, False, False, False, True]
    assert set(messages) == {"The e-mail address or the password is wrong."}
    assert people.results == [SignInResult.WRONG] * 7
    # and the sessions that they had are untouched
    assert len(await api.rows("SELECT 1 FROM user_sessions")) == 1


async def test_strangers_are_slowed_down_for_accounts_that_exist_and_that_do_not(api, people):
    # given
    await people.join()
    refusals = {}
    for email in ("ada@example.com", "nobody@example.com"):
        # when they try from many addresses, in many spellings
        refusals[email] = [
            await _fails(people, email.upper() if n % 2 else email, address=f"198.51.100.{n}")
            for n in range(LIMIT_OF_ACCOUNT.tries + 2)
        ]
    # then
    assert refusals["ada@example.com"] == refusals["nobody@example.com"]
    expected = [SignInRefused] * LIMIT_OF_ACCOUNT.tries + [TooManyTries] * 2
    assert refusals["ada@example.com"] == expected
    # and what is over the limit costs no hash
    assert len(people.hasher.verified) == 2 * LIMIT_OF_ACCOUNT.tries
    # and says when to come again
    with pytest.raises(TooManyTries) as caught:
        await people.sign_in(address="198.51.100.99")
    assert 60 < caught.value.wait_s <= LIMIT_OF_ACCOUNT.interval.total_seconds()


async def test_an_address_is_slowed_down_whatever_it_tries(people):
    # given as many tries as an address has, one an account
    for n in range(LIMIT_OF_ADDRESS.tries):
        assert await _fails(people, f"u{n}@example.com", address="2001:db8::1") is SignInRefused
    # then its neighbours are slowed down, too, and others are not
    assert await _fails(people, "more@example.com", address="2001:db8::ffff") is TooManyTries
    assert await _fails(people, "more@example.com", address="2001:db8:0:1::1") is SignInRefused


async def test_tries_at_once_do_not_exceed_the_limit(people):
    await people.join()
    tries = (_fails(people, address=f"198.51.100.{n}") for n in range(3 * LIMIT_OF_ACCOUNT.tries))
    outcomes = await asyncio.gather(*tries)
    assert outcomes.count(SignInRefused) == LIMIT_OF_ACCOUNT.tries


async def test_a_browser_that_signed_in_before_is_not_shut_out_by_strangers(people):
    # given a stranger who used up the account, and the address that they share
    _, begun = await people.join()
    while await _fails(people, address="192.0.2.1") is SignInRefused:
        pass
    while await _fails(people, "nobody@example.com", address="192.0.2.1") is SignInRefused:
        pass
    for n in range(2 * LIMIT_OF_ADDRESS.tries):
        await _fails(people, f"u{n}@example.com", address="192.0.2.1")
    assert await _fails(people, password=PASSWORD, address="192.0.2.1") is TooManyTries
    # then
    again = await people.sign_in(browser=begun.browser, address="192.0.2.1")
    assert again.browser == begun.browser
    # and the browser is no better than its own tries, and no help for other accounts
    await people.join("ben@example.com")
    other = {"browser": begun.browser, "address": "192.0.2.1"}
    assert await _fails(people, "ben@example.com", PASSWORD, **other) is TooManyTries
    for _ in range(LIMIT_OF_BROWSER.tries):
        assert await _fails(people, **other) is SignInRefused
    assert await _fails(people, password=PASSWORD, **other) is TooManyTries


async def test_a_browser_is_told_again_by_what_we_gave_it_alone(api, people):
    # given two who share a browser
    _, ada = await people.join()
    _, ben = await people.join("ben@example.com", browser=ada.browser)
    assert ben.browser == ada.browser
    # when somebody put another token there
    begun = await people.sign_in(browser="planted")
    # then
    assert begun.browser not in {"planted", ada.browser}
    assert await api.rows("SELECT count(DISTINCT hash), count(*) FROM user_browsers") == [(2, 3)]


async def test_right_passwords_do_not_count(people):
    await people.join()
    for _ in range(2 * LIMIT_OF_ADDRESS.tries):
        await people.sign_in()


async def test_a_try_that_was_not_looked_at_does_not_count(api, people):
    # given so many who sign in that there is no room
    async def verify(stored, password):
        raise Busy("full")

    people.hasher.verify = verify
    for _ in range(2 * LIMIT_OF_ACCOUNT.tries):
        with pytest.raises(Busy):
            await people.sign_in()
    # then
    assert await api.rows("SELECT 1 FROM sign_in_limits WHERE full_at > now()") == []


async def test_tries_come_back_with_time(api, people):
    # given
    await people.join()
    while await _fails(people) is SignInRefused:
        pass
    # when the time of one try has passed
    await api.rows("UPDATE sign_in_limits SET full_at = full_at - interval '90 seconds'")
    # then
    assert await _fails(people) is SignInRefused
    assert await _fails(people) is TooManyTries


async def test_a_session_has_another_token_after_each_sign_in(api, people):
    _, first = await people.join()
    second = await people.sign_in(session=first.session, browser=first.browser)
    assert second.session != first.session
    assert (await _who(api, first), await _who(api, second)) == (None, "ada@example.com")
    # and another browser's session stays
    third = await people.sign_in()
    assert (await _who(api, second), await _who(api, third)) == ("ada@example.com",) * 2
    await sessions.sign_out(api.pool, second.session)
    await sessions.sign_out(api.pool, second.session)
    assert (await _who(api, second), await _who(api, third)) == (None, "ada@example.com")


@pytest.mark.parametrize(("column", "days"), [("last_used_at", 14), ("created_at", 90)])
async def test_a_session_ends_unused_or_after_its_whole_time(api, people, column, days):
    # given
    user, begun = await people.join()
    move = f"UPDATE user_sessions SET {column} = now() - %s"
    # when
    await api.rows(move, dt.timedelta(days=days) - dt.timedelta(minutes=1))
    # then it lives, and using it is noted
    assert await _who(api, begun) == "ada@example.com"
    (used,) = await api.rows("SELECT last_used_at > now() - interval '1 minute' FROM user_sessions")
    assert used == (True,)
    # when
    await api.rows(move, dt.timedelta(days=days))
    # then
    assert await _who(api, begun) is None
    assert await users.list_sessions(api.pool, user.id, LIFETIME) == []
    # and it is cleared away
    assert await sessions.expire(api.pool, LIFETIME) == 1
    assert await api.rows("SELECT 1 FROM user_sessions") == []


async def test_what_is_over_is_cleared_away_and_nothing_else(api, people):
    # given
    await people.join()
    await people.invite("ben@example.com")
    await people.invite("cy@example.com")
    await _fails(people)
    await api.rows("UPDATE user_links SET expires_at = now() WHERE user_id ="
                   " (SELECT id FROM users WHERE email = 'cy@example.com')")  # fmt: skip
    await api.rows("UPDATE user_browsers SET used_at = now() - interval '401 days'")
    # when
    assert await sessions.expire(api.pool, LIFETIME) == 1
    # then
    counts = [
        (await api.rows(f"SELECT count(*) FROM {table}"))[0][0]
        for table in ("user_sessions", "user_links", "sign_in_limits", "user_browsers")
    ]
    assert counts == [1, 1, 2, 0]
    # when all tries are there again
    await api.rows("UPDATE sign_in_limits SET full_at = now()")
    # then
    assert await sessions.expire(api.pool, LIFETIME) == 2


async def test_a_changed_role_counts_at_once(api, people):
    user, begun = await people.join()
    await users.change(api.pool, user.id, {"role": Role.WRITE})
    person = await sessions.identify(api.pool, begun.session, LIFETIME)
    assert person.role is Role.WRITE


async def test_a_person_ends_one_of_their_sessions_and_none_of_others(api, people):
    ada, first = await people.join()
    second = await people.sign_in()
    _, other = await people.join("ben@example.com")
    # when
    await sessions.end(api.pool, ada.id, second.session_id)
    # then
    assert [await _who(api, b) for b in (first, second)] == ["ada@example.com", None]
    for gone in (second, other):
        with pytest.raises(Exception, match="no session with this id"):
            await sessions.end(api.pool, ada.id, gone.session_id)
    assert await _who(api, other) == "ben@example.com"


async def test_a_new_password_ends_all_other_sessions(api, people):
    # given
    _, first = await people.join()
    second = await people.sign_in()
    person = await sessions.identify(api.pool, second.session, LIFETIME)
    visitor = Visitor("192.0.2.1", session=second.session, browser=second.browser)
    # when
    third = await people.door.change_password(person, PASSWORD, OTHER_PASSWORD, visitor)
    # then
    seen = [await _who(api, begun) for begun in (first, second, third)]
    assert seen == [None, None, "ada@example.com"]
    assert await _fails(people) is SignInRefused
    await people.sign_in(password=OTHER_PASSWORD)
    (entry,) = (await api.get("/audit", params={"action": "user.password_changed"}))["items"]
    assert (entry["actor"], entry["user_id"]) == ("ada@example.com", str(person.user_id))
    assert entry["details"] == {"by": "password", "sessions_ended": 1}


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [
        ("wrong wrong wrong", OTHER_PASSWORD, "current_password"),
        (PASSWORD, "password1234", "password"),
        (PASSWORD, "short", "password"),
        (PASSWORD, "ada@example.com", "password"),
    ],
)
async def test_a_password_that_is_not_changed_ends_nothing(api, people, current, new, field):
    _, begun = await people.join()
    person = await sessions.identify(api.pool, begun.session, LIFETIME)
    with pytest.raises(InvalidInput) as caught:
        await people.door.change_password(person, current, new, Visitor(None))
    assert [problem.field for problem in caught.value.problems] == [field]
    assert await _who(api, begun) == "ada@example.com"
    await people.sign_in()


async def test_a_stolen_session_does_not_guess_the_password(api, people):
    _, begun = await people.join()
    person = await sessions.identify(api.pool, begun.session, LIFETIME)
    outcomes = []
    for _ in range(LIMIT_OF_ACCOUNT.tries + 1):
        with pytest.raises((InvalidInput, TooManyTries)) as caught:
            await people.door.change_password(
                person, "wrong wrong wrong", OTHER_PASSWORD, Visitor(None)
            )
        outcomes.append(caught.type)
    assert outcomes == [InvalidInput] * LIMIT_OF_ACCOUNT.tries + [TooManyTries]


async def test_who_is_disabled_while_their_password_is_verified_gets_no_session(api, people):
    # given a verification that ends after the person was disabled
    user, _ = await people.join()

    async def verify(stored, password):
        await users.change(api.pool, user.id, {"disabled": True})
        return True

    people.hasher.verify = verify
    # then
    assert await _fails(people, password=PASSWORD) is SignInRefused
    assert await api.rows("SELECT 1 FROM user_sessions") == []


async def test_a_hash_is_made_again_where_hashes_cost_more_now(api, people):
    # given
    await people.join()
    dearer = Hasher(Argon2(passes=2, memory_kib=16, lanes=1))
    door = SignIn(api.pool, dearer, people.results.append)
    # when
    await door.sign_in("ada@example.com", PASSWORD, Visitor(None))
    # then
    ((stored,),) = await api.rows("SELECT password_hash FROM users")
    assert stored.startswith("$argon2id$v=19$m=16,t=2,p=1$")
    await door.sign_in("ada@example.com", PASSWORD, Visitor(None))
    assert await api.rows("SELECT password_hash FROM users") == [(stored,)]
    dearer.close()


async def test_sessions_and_browsers_of_a_person_are_bounded(api, people):
    # given
    user, first = await people.join()
    await api.rows(
        "INSERT INTO user_sessions (id, hash, user_id, user_agent, last_used_at)"
        " SELECT gen_random_uuid(), sha256(n::text::bytea), %s, '', now() - interval '1 h'"
        " FROM generate_series(1, 200) n",
        user.id,
    )
    await api.rows(
        "INSERT INTO user_browsers (user_id, hash, used_at)"
        " SELECT %s, sha256(n::text::bytea), now() - interval '1 h' FROM generate_series(1, 200) n",
        user.id,
    )
    # when
    second = await people.sign_in()
    # then the ones used last are left
    assert await api.rows("SELECT count(*) FROM user_sessions") == [(MAX_SESSIONS,)]
    assert await api.rows("SELECT count(*) FROM user_browsers") == [(MAX_BROWSERS,)]
    assert [await _who(api, b) for b in (first, second)] == ["ada@example.com"] * 2
    assert (await people.sign_in(browser=first.browser)).browser == first.browser
