"""A change and its audit entry are in one transaction: where one of them fails, neither is there.

Each way round shows another half of it: an entry that is written before its change and apart from
it stays when the change fails, and a change that is stored before its entry stays when that fails.
"""

from contextlib import asynccontextmanager

import psycopg
import pytest

from monitor.services.secrets.rotate import rotate
from monitor.services.secrets.vault import Vault, new_key
from support.api import open_api
from support.audited import everything, given, writing_routes
from support.secretive import SECRETS

_CHANGES = {
    "websites": "INSERT OR UPDATE OR DELETE",
    "regions": "INSERT OR UPDATE OR DELETE",
    # Using a key writes to its row, and changes nothing.
    "api_keys": "INSERT OR UPDATE OF expires_at, revoked_at, replaced_by OR DELETE",
    "users": "INSERT OR UPDATE OR DELETE",
    "user_links": "INSERT OR UPDATE OR DELETE",
    "user_sessions": "INSERT OR UPDATE OR DELETE",
}
"""What every change touches one of: (table, events)."""


@asynccontextmanager
async def log_that_takes_nothing(api):
    await api.rows("ALTER TABLE audit_log ADD CONSTRAINT takes_nothing CHECK (false) NOT VALID")
    try:
        yield
    finally:
        await api.rows("ALTER TABLE audit_log DROP CONSTRAINT takes_nothing")


@asynccontextmanager
async def changes_that_fail_in_their_commit(api):
    """Each statement does what it is to do; the COMMIT finds that it may not."""
    await api.rows(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE EXCEPTION 'refused in the commit'; END $$"
    )
    try:
        for table, events in _CHANGES.items():
            await api.rows(
                f"CREATE CONSTRAINT TRIGGER refused AFTER {events} ON {table}"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        yield
    finally:
        await api.rows("DROP FUNCTION refuse CASCADE")


@pytest.mark.parametrize("failure", [log_that_takes_nothing, changes_that_fail_in_their_commit])
async def test_neither_the_change_nor_its_entry_is_there_where_one_of_them_fails(api, failure):
    writing = await writing_routes(api)
    assert len(writing) >= 12
    for method, path in writing:
        recipes = await given(api)
        real, arguments, _, _ = recipes.of(method, path)
        before = await everything(api)
        # when
        async with failure(api):
            answer = await api.request(method.upper(), real, **arguments)
        # then
        assert answer.status_code == 500, (method, path)
        assert await everything(api) == before, (method, path)
        # and it was the failure that kept it from being done
        done = await api.request(method.upper(), real, **arguments)
        assert done.status_code < 300, (method, path)
        assert await everything(api) != before, (method, path)


@pytest.mark.parametrize("failure", [log_that_takes_nothing, changes_that_fail_in_their_commit])
async def test_reencryption_and_its_audit_entry_are_atomic(postgres_server, redis_url, failure):
    old, new = new_key(), new_key()
    async with open_api(postgres_server, redis_url, vault=Vault([old])) as api:
        await given(api)
        await api.add_website(**SECRETS)
        before = await everything(api)
        # when
        async with failure(api):
            with pytest.raises(psycopg.Error):
                await rotate(api.pool, Vault([new, old]))
        # then
        assert await everything(api) == before
        assert await rotate(api.pool, Vault([new, old])) == 1
        assert await everything(api) != before
