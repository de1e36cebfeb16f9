"""What `monitor doctor` makes of what it sees, apart from where it looks."""

import asyncio
import datetime as dt

import pytest

from monitor.domain.delivery import Fault
from monitor.domain.errors import SettingsError, Unavailable
from monitor.probes.net.dns_servers import Answer
from monitor.probes.net.groups import OFFERED, X25519, X25519MLKEM768
from monitor.runtime.settings import Settings
from monitor.runtime.settings_survey import survey
from monitor.services.doctor import (
    clock,
    delivery,
    dns,
    groups,
    migrations,
    processes,
    redis,
    regions,
    roll_ups,
    search,
    secrets,
    tick_store,
)
from monitor.services.doctor import settings as settings_check
from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.examine import examine, is_well
from monitor.services.doctor.finding import Finding, Report, State
from monitor.services.doctor.regions import Seen
from monitor.services.doctor.secrets import Stored
from monitor.services.secrets.known_keys import Process
from monitor.services.workers.presence import Present
from monitor.storage.postgres.channels import Failing
from monitor.storage.postgres.migrations import Migration, compare
from monitor.storage.postgres.rolled_up_days import DaysDone

GOOD_REDIS = {
    "redis_version": "7.2.4", "maxmemory_policy": "noeviction", "aof_enabled": 1, "role": "master",
    "maxmemory": 0, "used_memory": 10, "aof_last_write_status": "ok",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        ({}, State.OK, "Redis 7.2.4"),
        ({"maxmemory_policy": "volatile-ttl"}, State.FAILED, "volatile-ttl"),
        ({"maxmemory_policy": "allkeys-lru"}, State.FAILED, "allkeys-lru"),
        ({"role": "slave"}, State.FAILED, "replica"),
        ({"aof_last_write_status": "err"}, State.FAILED, "append-only"),
        ({"rdb_last_bgsave_status": "err"}, State.FAILED, "snapshot"),
        ({"maxmemory": 100, "used_memory": 90}, State.OK, ""),
        ({"maxmemory": 100, "used_memory": 91}, State.WARNING, "91% of its maxmemory"),
        ({"aof_enabled": 0}, State.WARNING, "nothing on disk"),
        ({"aof_enabled": 0, "rdb_saves": 3}, State.OK, ""),
    ],
)
def test_redis(change, state, words):
    # when
    found = redis.judge(GOOD_REDIS | change, "h:6379")
    # then
    assert (found.state, words in found.what) == (state, True)


@pytest.mark.parametrize(
    ("off_s", "within_s", "state", "words"),
    [
        (0.0, 0.01, State.OK, "0.0 s off"),
        (-4.9, 0.01, State.OK, ""),
        (5.0, 0.01, State.WARNING, "5 s ahead of Redis"),
        (-5.0, 0.01, State.WARNING, "5 s behind Redis"),
        (6.0, 7.0, State.OK, ""),  # Redis took seven to answer
        (-3599.0, 0.01, State.WARNING, ""),
        (3600.0, 0.01, State.FAILED, "3,600 s ahead"),
    ],
)
def test_clock(off_s, within_s, state, words):
    # when
    found = clock.judge(off_s, within_s)
    # then
    assert (found.state, words in found.what) == (state, True)


KEEPS = "it keeps ticks for 7 days instead of 30 days (MONITOR_RAW_DAYS): run `x`"
LACKS = "it has no bucket 'b': run `y`"


@pytest.mark.parametrize(
    ("remarks", "state", "what", "what_to_do"),
    [
        ([], State.OK, "InfluxDB 1.8, ticks for 30 days, hours for 400, days for 1100", ""),
        ([KEEPS], State.WARNING, "7 days instead of 30 days (MONITOR_RAW_DAYS)", "run `x`"),
        ([KEEPS, LACKS], State.WARNING, "; it has no bucket 'b'", "run `x`; run `y`"),
    ],
)
def test_tick_store(remarks, state, what, what_to_do):
    # when
    finding = tick_store.judge("InfluxDB 1.8", remarks, Settings())
    # then
    assert (finding.state, finding.what_to_do) == (state, what_to_do)
    assert what in finding.what


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ({}, State.FAILED),
        ({"a": Answer.ANSWERS}, State.OK),
        ({"a": Answer.ANSWERS, "b": Answer.SILENT}, State.WARNING),
        ({"a": Answer.REFUSED, "b": Answer.SILENT}, State.FAILED),
    ],
)
@pytest.mark.parametrize(
    ("configured", "where"), [(True, "MONITOR_DNS_SERVERS"), (False, "/etc/resolv.conf")]
)
def test_dns(answers, state, configured, where):
    # when
    found = dns.judge(answers, configured=configured)
    # then
    assert found.state is state
    assert state is State.OK or where in f"{found.what} {found.what_to_do}"


ONE, TWO = Migration(1, "0001_a.sql", "a"), Migration(2, "0002_b.sql", "b")


@pytest.mark.parametrize(
    ("applied", "state"),
    [
        ([(1, "0001_a.sql", ONE.checksum), (2, "0002_b.sql", TWO.checksum)], State.OK),
        ([(1, "0001_a.sql", ONE.checksum)], State.FAILED),
        ([], State.FAILED),
        ([(1, "0001_a.sql", "other"), (2, "0002_b.sql", TWO.checksum)], State.FAILED),
        (
            [
                (1, "0001_a.sql", ONE.checksum),
                (2, "0002_b.sql", TWO.checksum),
                (3, "0003_c.sql", "c"),
            ],
            State.WARNING,
        ),
    ],
)
def test_migrations(applied, state):
    assert migrations.judge(compare([ONE, TWO], applied)).state is state


def test_search_and_deliveries():
    # given
    since = dt.datetime(2026, 12, 1, 8, 30, tzinfo=dt.UTC)
    failing = [Failing("email", Fault.LOGIN, since, "mail.test: 535 no")]
    # then
    assert search.judge(0).state is State.OK
    assert search.judge(3).state is State.WARNING
    assert delivery.judge([]).state is State.OK
    assert delivery.judge(failing).state is State.FAILED
    assert "since 2026-12-01 08:30 UTC: mail.test: 535 no" in delivery.judge(failing).what


def test_processes_of_which_one_kind_is_missing():
    # given
    there = [Present(role, None, "1", None) for role in ("api", "central", "scheduler")]
    # then
    assert processes.judge(there).state is State.OK
    assert processes.judge([]).state is State.FAILED
    for one in there:
        found = processes.judge([p for p in there if p is not one])
        assert (found.state, one.name in found.what) == (State.FAILED, True)


@pytest.mark.parametrize(
    ("versions", "state"),
    [([], State.OK), (["1"], State.OK), (["1", "2"], State.WARNING), ([None], State.WARNING)],
)
def test_versions(versions, state):
    # given
    there = [Present("region", "europe", version, None) for version in versions]
    # then
    assert processes.judge_versions(there, "1").state is state


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        (Seen(["a", "b"], {"a": 5}, {"a": 1, "b": 2}, []), State.OK, "a: 5 websites, 1 worker"),
        (Seen(["a"], {"a": 5}, {}, []), State.FAILED, "no worker checks the websites of a"),
        (Seen(["a"], {}, {}, []), State.WARNING, "without a worker"),
        (Seen(["a"], {}, {"a": 1}, ["a"]), State.FAILED, "without network: a"),
        (Seen([], {}, {}, []), State.WARNING, "there is none"),
        (Seen(["a"], {}, {"a": 1, "b": 1}, []), State.WARNING, "do not exist: b"),
    ],
)
def test_regions(seen, state, words):
    # when
    found = regions.judge(seen)
    # then
    assert (found.state, words in found.what) == (state, True)


NOON = 1_790_000_000 // 86_400 * 86_400 + 12 * 3600
DAYS = DaysDone(NOON - 12 * 3600 - 9 * 86_400, NOON - 12 * 3600 - 86_400)
LATE_DAYS = DaysDone(DAYS.first_s, DAYS.last_s - 86_400)


@pytest.mark.parametrize(
    ("hour_s", "done", "age_days", "at_s", "state", "words"),
    [
        (NOON - 3600, DAYS, 9, NOON + 600, State.OK, "of days 2026-09-20"),
        (NOON - 3600, LATE_DAYS, 9, NOON, State.WARNING, "the last one is 2026-09-19"),
        (NOON - 3600, None, 9, NOON, State.WARNING, "the last one is none, and 2026-09-20 is over"),
        (NOON - 3600, None, 0.3, NOON, State.OK, "the last hour is 2026-09-21T11:00Z"),
        # a day may take until three
        (NOON - 11 * 3600, LATE_DAYS, 9, NOON - 9.5 * 3600, State.OK, "2026-09-19"),
        (NOON - 4 * 3600, DAYS, 9, NOON, State.WARNING, "hours are late"),
        (None, DAYS, 9, NOON, State.WARNING, "the last one is none"),
        (None, None, 0.01, NOON, State.OK, "nothing is due yet"),
    ],
)
def test_roll_ups(hour_s, done, age_days, at_s, state, words):
    # when
    found = roll_ups.judge(hour_s, done, at_s - age_days * 86_400, at_s)
    # then
    assert (found.state, words in found.what) == (state, True), found.what


def test_without_websites_nothing_is_rolled_up():
    assert roll_ups.judge(None, None, None, NOON).state is State.OK


def api(*keys):
    return Process("API", True, keys)


def worker(*keys):
    return Process("worker of a", False, keys)


@pytest.mark.parametrize(
    ("there", "own", "state"),
    [
        ([], "", State.SKIPPED),
        ([Process("worker of a", False, None)], "", State.SKIPPED),
        ([api(), worker()], "", State.OK),
        ([api("n", "o"), api("n"), worker("o", "n")], "n", State.OK),
        ([api("n"), worker("n")], "", State.OK),
        ([api("n"), worker("n")], "o", State.WARNING),
        ([api("n"), worker("o")], "n", State.FAILED),
        ([api("n"), worker()], "n", State.FAILED),
        ([api("n", "o"), api("o", "n"), worker("n", "o")], "n", State.FAILED),
        ([api("n"), api(), worker("n")], "n", State.FAILED),
    ],
)
def test_keys(there, own, state):
    assert secrets.judge(there, list(own)).state is state


@pytest.mark.parametrize(
    ("stored", "has_key", "state"),
    [
        (Stored(0, 0, 0, 0), True, State.OK),
        (Stored(2, 0, 2, 0), True, State.OK),
        (Stored(2, 0, 2, 1), True, State.FAILED),
        (Stored(2, 0, 2, 2), False, State.SKIPPED),
        (Stored(2, 1, 1, 0), True, State.WARNING),
        (Stored(2, 2, 0, 0), False, State.WARNING),
    ],
)
def test_stored_secrets(stored, has_key, state):
    assert secrets.judge_stored(stored, has_key).state is state


def test_where_settings_come_from(tmp_path):
    # given
    secret, file = tmp_path / "redis", tmp_path / ".env"
    secret.write_text("redis://h/0\n")
    file.write_text("SMTP_HOST=mail.test\nSMTP_PORT=25\nMONITOR_REFERENCES=192.0.2.1:53\n")
    environ = {"REDIS_URL_FILE": str(secret), "SMTP_PORT": "587", "MONITOR_REGIO": "x"}
    # when
    seen = survey(environ, file)
    # then
    assert seen.sources == {
        "REDIS_URL": "the environment",
        "SMTP_HOST": str(file),
        "SMTP_PORT": "the environment",
        "MONITOR_CONNECTIVITY_TARGETS": str(file),
    }
    assert (seen.settings.redis_url, seen.settings.smtp_port) == ("redis://h/0", 587)
    assert seen.unknown == ["MONITOR_REGIO"]
    found = settings_check.judge(seen)
    assert (found.state, found.what_to_do) == (
        State.WARNING,
        "write MONITOR_REGION if that is meant, or remove it",
    )


def test_all_that_is_wrong_with_settings_is_said_at_once(tmp_path):
    # when
    seen = survey({"SMTP_PORT": "x", "MONITOR_RAW_DAYS": "1"}, tmp_path / ".env")
    # then
    assert [p.partition(" ")[0] for p in seen.problems] == ["SMTP_PORT", "MONITOR_RAW_DAYS"]
    assert (seen.settings.smtp_port, seen.settings.monitor_raw_days) == (587, 30)
    assert settings_check.judge(seen).state is State.FAILED


async def test_a_check_that_fails_itself_or_never_ends_is_told_and_stops_no_other():
    # given
    async def well(_):
        return REPORT.ok("well")

    async def away(_):
        raise Unavailable("postgres", "away")

    async def unset(_):
        raise SettingsError("X is not set.")

    async def broken(_):
        raise KeyError("a secret")

    async def endless(_):
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if ended:
                    raise
                ended.append(True)

    ended = []
    context = Context(survey({}), pool=None, client=None)
    checks = [Check(REPORT, look) for look in (well, away, unset, broken)]
    endless_ones = [Check(REPORT, endless, 0.05), Check(REPORT, endless, 0.05, "restart it")]
    # when
    found = await examine(context, [*checks, *endless_ones])
    # then
    assert [f.state for f in found] == [
        State.OK, State.SKIPPED, State.SKIPPED, State.SKIPPED, State.SKIPPED, State.FAILED,
    ]  # fmt: skip
    assert "secret" not in found[3].what
    assert "KeyError in test_doctor_decisions.py" in found[3].what
    assert found[4].what == found[5].what == "no answer within 0.05 s"


REPORT = Report("it")


@pytest.mark.parametrize("state", list(State))
def test_only_what_failed_is_wrong(state):
    assert is_well([Finding("a", State.OK, ""), Finding("b", state, "")]) is (
        state is not State.FAILED
    )


OF_OPENSSL_3_0, OF_OPENSSL_3_5 = (X25519, 23, 30, 25, 24), (X25519MLKEM768, X25519, 23, 30, 24, 25)


@pytest.mark.parametrize(
    ("offers", "state", "words"),
    [
        ([], State.SKIPPED, "no worker of a region"),
        ([None], State.SKIPPED, "no worker of a region"),
        ([OFFERED, OFFERED], State.OK, "all workers of regions offer X25519, P-256 and P-384"),
        ([OFFERED, OF_OPENSSL_3_0], State.OK, "1 of 2 workers of regions offer those of their"),
        ([OF_OPENSSL_3_5], State.WARNING, "1 of 1 worker of regions make a post-quantum key"),
        ([OF_OPENSSL_3_0, OF_OPENSSL_3_5, None], State.WARNING, "1 of 2 workers"),
    ],
)
def test_the_groups_of_handshakes(offers, state, words):
    # given
    others = [Present("api", None, "1", None)]
    workers = [Present("region", "europe", "1", None, offer) for offer in offers]
    # when
    finding = groups.judge(others + workers)
    # then
    assert finding.state is state
    assert words in finding.what
    assert ("OPENSSL_CONF" in finding.what_to_do) is (state is State.WARNING)
