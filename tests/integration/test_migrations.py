"""Migrations are applied once, by one at a time, and never silently changed."""

import shutil
import threading

import psycopg
import pytest

from monitor.domain.errors import MigrationError
from monitor.storage.postgres.migrations import directory, migrate, read
from monitor.storage.postgres.pool import make_pool
from monitor.storage.postgres.website_rows import CHECK_JSON, decode_check
from monitor.storage.timeseries.postgres import PostgresTicks
from support.factories import check_options


def _tables(url):
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        return {name for (name,) in rows}


def test_an_empty_database_gets_every_migration_once(empty_database_url):
    # when
    first, second = migrate(empty_database_url), migrate(empty_database_url)
    # then
    assert first == [m.name for m in read(directory())]
    assert second == []
    assert {"websites", "incidents", "notifications", "ticks"} <= _tables(empty_database_url)


def test_several_at_once_apply_each_migration_once(empty_database_url):
    # given
    applied, errors = [], []

    def run():
        try:
            applied.extend(migrate(empty_database_url))
        except MigrationError as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    # when
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # then
    assert errors == []
    assert applied == [m.name for m in read(directory())]


def _copy_up_to(last, folder):
    """The migrations up to this one, as a version before had them."""
    for migration in read(directory()):
        if migration.version <= last:
            shutil.copy(directory() / migration.name, folder)


def test_a_changed_migration_stops_with_its_name(empty_database_url, tmp_path):
    # given
    file = tmp_path / "0001_first.sql"
    file.write_text("CREATE TABLE a (x int);")
    migrate(empty_database_url, tmp_path)
    # when
    file.write_text("CREATE TABLE a (x bigint);")
    # then
    with pytest.raises(MigrationError, match=r"0001_first\.sql was changed after .* restore the"):
        migrate(empty_database_url, tmp_path)


def test_a_missing_migration_stops_with_its_name(empty_database_url, tmp_path):
    # given
    file = tmp_path / "0001_first.sql"
    file.write_text("CREATE TABLE a (x int);")
    migrate(empty_database_url, tmp_path)
    # when
    file.unlink()
    # then
    with pytest.raises(MigrationError, match=r"0001_first\.sql .* file is missing"):
        migrate(empty_database_url, tmp_path)


def test_a_migration_that_fails_leaves_nothing_behind(empty_database_url, tmp_path):
    # given
    (tmp_path / "0001_broken.sql").write_text("CREATE TABLE a (x int); SELECT no_such_thing();")
    # when
    with pytest.raises(MigrationError, match=r"0001_broken\.sql failed"):
        migrate(empty_database_url, tmp_path)
    # then
    assert _tables(empty_database_url) == {"schema_migrations"}


def test_a_recovery_that_is_queued_still_waits_for_its_beginning(empty_database_url, tmp_path):
    # given an outbox of the schema before events waited by id
    _copy_up_to(11, tmp_path)
    migrate(empty_database_url, tmp_path)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(
            """
            INSERT INTO websites (id, url, name, all_regions, check_frequency, options,
                                  alert_emails)
            SELECT gen_random_uuid(), 'http://a/', 'a', true, 60, '{"kind": "http"}', '{}'
              FROM generate_series(1, 2);
            INSERT INTO incidents (id, website_id, started_at, resolved_at, resolution, cause,
                                   regions)
            SELECT gen_random_uuid(), id, now(), now(), 'recovered', 'http_status', '{europe}'
              FROM websites;
            INSERT INTO notifications (id, incident_id, event, channel, recipient)
            SELECT gen_random_uuid(), i.id, e, 'email', r
              FROM incidents i, unnest('{opened,resolved}'::text[]) e, unnest('{a,b}'::text[]) r
            """
        )
    # when
    migrate(empty_database_url)
    # then
    with psycopg.connect(empty_database_url) as connection:
        rows = connection.execute(
            """
            SELECT n.event, n.incident_id = o.incident_id AND n.recipient = o.recipient AND
                   o.event = 'opened'
              FROM notifications n LEFT JOIN notifications o ON o.id = ANY(n.waits_for)
             ORDER BY 1
            """
        ).fetchall()
    assert rows == [("opened", None)] * 4 + [("resolved", True)] * 4


def test_schedules_begin_with_the_upgrade(empty_database_url, tmp_path):
    # given websites of the schema before: of every region, of one, of none and paused
    _copy_up_to(10, tmp_path)
    migrate(empty_database_url, tmp_path)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(
            """
            INSERT INTO regions (name, created_at)
            VALUES ('europe', '2026-01-01'), ('asia', '2026-02-01');
            INSERT INTO websites (id, url, name, all_regions, check_frequency, options,
                                  alert_emails, created_at, paused_at)
            SELECT gen_random_uuid(), url, url, all_regions, 60, '{"kind": "http"}', '{}',
                   '2026-01-01', paused_at
              FROM (VALUES ('a', true, NULL), ('b', false, NULL), ('c', false, NULL),
                           ('d', true, timestamptz '2026-03-01')) w (url, all_regions, paused_at);
            INSERT INTO website_regions
            SELECT w.id, r.name FROM websites w, regions r WHERE url = 'b';
            """
        )
        before = connection.execute("SELECT now()").fetchone()[0]
    # when
    migrate(empty_database_url)
    # then
    with psycopg.connect(empty_database_url) as connection:
        rows = connection.execute(
            "SELECT url, p.check_frequency, p.regions, since > %s, until FROM website_periods p"
            " JOIN websites w ON w.id = website_id ORDER BY url",
            [before],
        ).fetchall()
        regions = connection.execute(
            "SELECT region, since = created_at, until FROM region_periods"
            " JOIN regions ON name = region ORDER BY 1"
        ).fetchall()
    assert rows == [
        ("a", 60, None, True, None),
        ("b", 60, ["asia", "europe"], True, None),
        ("c", 60, [], True, None),
        ("d", None, None, True, None),
    ]
    assert regions == [("asia", True, None), ("europe", True, None)]


def test_ticks_of_the_schema_before_fill_their_slots(empty_database_url, tmp_path):
    # given a tick and a roll-up that were stored before ticks said whether they are out of turn
    _copy_up_to(10, tmp_path)
    migrate(empty_database_url, tmp_path)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(
            """
            CREATE TABLE ticks_20260101 PARTITION OF ticks
                FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
            CREATE TABLE tick_rollups_202601 PARTITION OF tick_rollups
                FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
            INSERT INTO ticks
            VALUES (gen_random_uuid(), 'europe', '2026-01-01', true, NULL, 200, 1, 0, 0, 0, 1, 0);
            INSERT INTO tick_rollups
            VALUES (gen_random_uuid(), 'europe', '2026-01-01', 1, 1, 1, 1, 1, 1);
            """
        )
    # when
    migrate(empty_database_url)
    # then
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT out_of_turn FROM ticks").fetchall() == [(None,)]
        assert connection.execute("SELECT out_of_turn FROM tick_rollups").fetchall() == [(0,)]


def test_options_of_the_schema_before_are_carried_over(empty_database_url, tmp_path):
    # given websites of the schema of 0.1.0: plain, with every option, and with encrypted secrets
    _copy_up_to(8, tmp_path)
    migrate(empty_database_url, tmp_path)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(
            """
            INSERT INTO websites (id, url, name, all_regions, check_frequency, request_timeout,
                                  http_method, request_headers, request_body,
                                  expected_status_codes, follow_redirects, verify_ssl,
                                  alert_emails, sealed_headers, sealed_body)
            VALUES (gen_random_uuid(), 'http://a/', 'a', true, 60, 15, 'GET', '{}', '',
                    '[[200, 399]]', true, true, '{}', NULL, NULL),
                   (gen_random_uuid(), 'http://b/', 'b', true, 60, 20, 'POST', '{"X": "y"}',
                    'ping', '[[200, 204], [301, 301]]', false, false, '{}', NULL, NULL),
                   (gen_random_uuid(), 'http://c/', 'c', true, 60, 15, 'GET', '{"A": "********"}',
                    '', '[[200, 399]]', true, true, '{}', 'token', NULL)
            """
        )
    # when
    migrate(empty_database_url)
    # then
    with psycopg.connect(empty_database_url) as connection:
        rows = connection.execute(
            f"SELECT {CHECK_JSON}, encrypted, has_secrets FROM websites w ORDER BY url"
        ).fetchall()
    plain, every, secret = [(decode_check(text), *rest) for text, *rest in rows]
    assert plain == (check_options("http://a/", check_frequency=60), None, False)
    assert every == (
        check_options(
            "http://b/",
            check_frequency=60,
            request_timeout=20,
            http_method="POST",
            request_headers={"X": "y"},
            request_body="ping",
            expected_status_codes=((200, 204), (301, 301)),
            follow_redirects=False,
            verify_ssl=False,
        ),
        None,
        True,
    )
    assert secret == (
        check_options("http://c/", check_frequency=60, request_headers={"A": "********"}),
        {"request_headers": "token"},
        True,
    )


async def test_history_from_before_there_were_days_is_unknown_and_not_guessed(
    empty_database_url, tmp_path
):
    # given an hour of the schema before, and two verdicts
    _copy_up_to(14, tmp_path)
    migrate(empty_database_url, tmp_path)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(
            """
            CREATE TABLE tick_rollups_202601 PARTITION OF tick_rollups
                FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
            INSERT INTO regions (name) VALUES ('asia'), ('europe');
            INSERT INTO websites (id, url, name, all_regions, check_frequency, options,
                                  alert_emails)
            VALUES (gen_random_uuid(), 'a', 'a', true, 60, '{"kind": "http"}', '{}');
            INSERT INTO tick_rollups
            SELECT id, 'europe', '2026-01-01', 20, 19, 18, 12.5, 20, 30 FROM websites;
            INSERT INTO verdicts (website_id, region, verdict, at, slot, reason)
            SELECT id, v.* FROM websites, (VALUES
                ('asia', 'up', timestamptz '2026-01-02', timestamptz '2026-01-03', NULL),
                ('europe', 'down', '2026-01-04', '2026-01-05', 'dns_error')) v;
            """
        )
    # when
    migrate(empty_database_url)
    # then
    with psycopg.connect(empty_database_url) as connection:
        website_id = connection.execute("SELECT id FROM websites").fetchone()[0]
        flips = connection.execute(
            "SELECT region, verdict, to_char(at, 'DD'), to_char(slot, 'DD'), reason FROM flips"
            " ORDER BY region"
        ).fetchall()
    assert flips == [
        ("asia", "up", "02", "03", None),
        ("europe", "down", "04", "05", "dns_error"),
    ]
    new_year = 1_767_225_600
    async with make_pool(empty_database_url) as pool:
        store = PostgresTicks(pool, raw_days=30, rollup_days=400)
        assert await store.roll_up_day(new_year) == 1
        ((hour,),) = (await store.hourly([website_id], None, new_year, new_year + 1)).values()
        ((day,),) = (await store.daily([website_id], None, new_year, new_year + 1)).values()
    assert (day.checks, day.up, day.measured, day.total_ms, day.max_ms) == (20, 19, 18, 225, 30)
    for rollup in (hour, day):
        assert (rollup.expected, rollup.histogram, rollup.gaps) == (None, None, ())
