"""Postgres restarts, throws everybody out, is locked, and is away for a minute."""

import psycopg

from monitor.services.notifications.outbox import MAX_CONCURRENT_DELIVERIES
from support.judge import Allowance
from support.system import eventually
from support.truth import scripted


def test_postgres_restarted_disconnected_locked_and_down_for_a_minute(faulty):
    with faulty(scripted(41, blind_s=75)) as system:
        # when
        system.at(3)
        system.postgres.restart()
        system.at(10)
        _kill_every_connection(system)
        assert _asked(system, "/websites").status_code == 200
        # and the incidents are locked for half a minute
        system.at(15)
        _lock_incidents(system, until_s=45)
        assert _asked(system, _downtime(system)).status_code == 200
        # and it is away for more than a minute
        system.at(50)
        system.postgres.kill()
        for path in ("/websites", "/monitor", _downtime(system)):
            _assert_unavailable(_asked(system, path))
        _assert_unavailable(system.api.post("/websites", json={"url": "http://a/"}, timeout=30))
        system.at(116)
        system.postgres.start()
        # then the API is there again by itself
        eventually(lambda: _asked(system, "/websites").status_code == 200, within_s=20)
        # and not a tick is missing: what checks needs no Postgres. Each of the two central workers
        # may double what it was just sending: that a mail was taken could not be recorded.
        found = system.compare(Allowance(late_s=5, doubled_mails=2 * MAX_CONCURRENT_DELIVERIES))
        print(found.numbers)  # noqa: T201 - what the fault did cost


def _kill_every_connection(system):
    system.postgres.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


def _lock_incidents(system, until_s):
    with psycopg.connect(system.postgres.url) as connection:
        connection.execute("LOCK TABLE incidents IN ACCESS EXCLUSIVE MODE")
        # what does not need them answers; what does says so, within a bound
        assert _asked(system, "/regions").status_code == 200
        _assert_unavailable(_asked(system, _downtime(system)))
        assert _asked(system, "/regions").status_code == 200
        system.at(until_s)


def _downtime(system):
    return f"/monitor/{system.ids[0]}/downtime"


def _asked(system, path):
    return system.api.get(path, timeout=30)


def _assert_unavailable(answer):
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unavailable"
    assert int(answer.headers["retry-after"]) > 0
