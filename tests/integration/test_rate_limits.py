"""Keys and addresses that ask too much: 429, and nobody else suffers."""

import asyncio
import io
import time
from uuid import uuid4

import pytest
import redis as redis_client

from monitor.cli.client import Access, Upload, _after_s, client
from monitor.domain.access import Role
from monitor.domain.rate import acquire
from monitor.services.access.key_ring import KeyRing
from monitor.services.access.rate_limits import Buckets, KeyLimit, RateLimits, WrongKeys
from monitor.storage.redis import keys
from monitor.storage.redis.client import make_client
from monitor.storage.redis.rates import Rates
from support.api import NOWHERE, open_api
from support.bulk import sites
from support.served_api import served


@pytest.fixture
def api_with(postgres_server, redis_url):
    """Opens an API with these limits."""
    return lambda **limits: open_api(
        postgres_server, redis_url, limits=RateLimits(**limits, redis_timeout_s=30)
    )


async def _metric(api, name, **labels):
    """The value of a counter in this process."""
    text = (await api.client().get("/metrics")).text
    wanted = name + "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "} "
    (line,) = [x for x in text.splitlines() if x.startswith(wanted)]
    return float(line.split()[-1])


async def test_rate_limited_key_gets_retry_after(api_with):
    # when
    async with api_with(requests=3) as api:
        read = api.client(Role.READ)
        answers = [await read.get("/regions") for _ in range(3)]
        # then
        assert [a.status_code for a in answers] == [200, 200, 200]
        assert [a.headers["ratelimit"].split(";t=")[0] for a in answers] == [
            '"key";r=2', '"key";r=1', '"key";r=0',
        ]  # fmt: skip
        assert answers[0].headers["ratelimit-policy"] == '"key";q=3;w=60'
        refused = await api.request("GET", "/regions", role=Role.READ, expect=429)
        assert refused.json()["code"] == "too_many_requests"
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        assert refused.headers["ratelimit"].startswith('"key";r=0;')
        # and whatever it asks, but nobody else
        refused = await read.post("/websites", json={"url": "https://a.example"})
        assert refused.status_code == 429
        assert (await api.client(Role.ADMIN).get("/regions")).status_code == 200
        assert (await api.client(None).get("/healthz")).status_code == 200
        assert await _metric(api, "monitor_http_rate_limited_total", limit="requests") == 2


async def test_request_succeeds_after_retry_after(redis_url):
    redis = make_client(redis_url)
    limit = KeyLimit(redis, RateLimits(600, redis_timeout_s=30))
    name = uuid4().hex
    while (found := await limit.acquire(name)).allowed:
        pass
    await asyncio.sleep(found.next_in_s + 0.001)
    assert (await limit.acquire(name)).allowed
    # and the key in Redis goes by itself
    assert 0 < await redis.pttl(f"monitor:rate:{name}") <= 60_000
    await redis.aclose()


async def test_limit_is_shared_between_processes(redis_url):
    clients = [make_client(redis_url) for _ in range(3)]
    limits = [KeyLimit(redis, RateLimits(30, redis_timeout_s=30)) for redis in clients]
    name = uuid4().hex
    found = await asyncio.gather(*(limits[n % 3].acquire(name) for n in range(90)))
    # a little may flow in meanwhile, but each for itself would have allowed all
    assert 30 <= sum(s.allowed for s in found) < 90
    for redis in clients:
        await redis.aclose()


@pytest.mark.parametrize("limit", [1, 7])
async def test_redis_counts_as_the_domain_does(redis_url, limit):
    redis = make_client(redis_url)
    rates, name, full = Rates(redis), uuid4().hex, 0.0
    for _ in range(limit + 2):
        theirs = await rates.acquire(name, limit)
        ours, full = acquire(limit, full, 0.0)
        # So little flows in meanwhile that no whole request does.
        assert (theirs.allowed, theirs.remaining) == (ours.allowed, ours.remaining)
        assert theirs.full_in_s == pytest.approx(ours.full_in_s, abs=8)
    await redis.aclose()


async def test_without_redis_every_process_counts_for_itself(postgres_server):
    # given no Redis; /keys needs none
    async with open_api(postgres_server, NOWHERE, limits=RateLimits(requests=4)) as api:
        answers = [await api.client().get("/keys") for _ in range(5)]
        # then
        assert [a.status_code for a in answers] == [200, 200, 200, 200, 429]


async def test_a_redis_that_hangs_is_asked_once_in_five_seconds(redis_url):
    # given a server that takes connections and says nothing
    asked = []

    async def silent(reader, writer):
        asked.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    redis, now = make_client(f"redis://127.0.0.1:{port}/0"), [100.0]
    limit = KeyLimit(redis, RateLimits(1000), lambda: now[0])
    # when
    found = [await limit.acquire("a") for _ in range(50)]
    # then
    assert all(s.allowed for s in found)
    assert len(asked) == 1
    now[0] += 5.0
    await limit.acquire("a")
    assert len(asked) == 2
    server.close()
    await redis.aclose()


async def test_nothing_is_counted_where_there_is_no_limit(api_with):
    async with api_with(requests=0) as api:
        answers = [await api.client().get("/regions") for _ in range(20)]
        assert {a.status_code for a in answers} == {200}
        assert "ratelimit" not in answers[0].headers
        assert await api.redis.keys("monitor:rate:*") == []


async def test_key_guessing_is_blocked_before_the_lookup(api_with, monkeypatch):
    async with api_with(wrong_keys=5) as api:
        looked_up = []
        real = KeyRing._look_up

        async def counted(self, *args):
            looked_up.append(args)
            return await real(self, *args)

        monkeypatch.setattr(KeyRing, "_look_up", counted)
        # given neighbours behind the same address, one of them known
        assert (await api.client(Role.WRITE).get("/regions")).status_code == 200
        looked_up.clear()
        # when
        codes = []
        for _ in range(30):
            guess = f"Bearer mon_{uuid4().hex}_{'A' * 43}"
            answer = await api.client(None).get("/regions", headers={"Authorization": guess})
            codes.append(answer.status_code)
        # then
        assert codes == [401] * 5 + [429] * 25
        assert len(looked_up) == 5
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["code"] == "too_many_requests"
        # and who was let in before is let in, though no longer remembered
        api.app.state.access._ring._cache.clear()
        assert (await api.client(Role.WRITE).get("/regions")).status_code == 200
        # and no key at all is no guess
        assert (await api.client(None).get("/regions")).status_code == 401
        api.app.state.access._wrong_keys._buckets._tat_s.clear()
        assert await _metric(api, "monitor_http_rate_limited_total", limit="wrong_keys") == 25


async def test_refused_requests_are_counted_by_reason(api):
    ended = await api.post("/keys", {"name": "n", "role": "read"})
    await api.rows("UPDATE api_keys SET expires_at = now() WHERE id = %s", ended["id"])
    revoked = await api.post("/keys", {"name": "n", "role": "read"})
    await api.delete(f"/keys/{revoked['id']}")
    for key in (None, "x", ended["key"], revoked["key"]):
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        await api.client(None).get("/regions", headers=headers)
    for reason in ("missing", "unknown", "expired", "revoked"):
        name = "monitor_http_unauthenticated_total"
        assert await _metric(api, name, reason=reason) == 1


def test_an_address_is_a_whole_network_of_ipv6_and_never_the_neighbour():
    wrong = WrongKeys(1, lambda: 0.0)
    wrong.count("2001:db8:0:1::1")
    wrong.count("192.0.2.1")
    assert wrong.blocked("2001:db8:0:1:ffff::2")
    assert wrong.blocked("192.0.2.1")
    assert wrong.blocked("::ffff:192.0.2.1")
    assert not wrong.blocked("2001:db8:0:2::1")
    assert not wrong.blocked("192.0.2.2")
    wrong.count("")
    assert wrong.blocked("")


def test_what_is_remembered_is_bounded():
    buckets = Buckets(10, lambda: 0.0)
    for n in range(10_500):
        buckets.acquire(str(n))
    assert len(buckets._tat_s) == 10_000
    assert buckets.peek("10499").remaining == 8
    assert buckets.peek("0").remaining == 9


@pytest.fixture
def limited(database_url, redis_url, tmp_path):
    """An API whose keys get a request every 2 s, and what uses up all that one may make at once."""
    with served(database_url, redis_url, tmp_path, MONITOR_KEY_REQUESTS_PER_MINUTE="30") as api:
        name = keys.rate(api.keys[Role.WRITE].split("_")[1])
        with redis_client.Redis.from_url(redis_url) as redis:
            yield api, lambda: redis.set(name, time.time() + 60), lambda: redis.delete(name)


async def test_an_import_waits_as_long_as_it_is_told(limited):
    api, use_up, forgive = limited
    waited = []

    async def pause(seconds):
        waited.append(seconds)
        forgive()

    upload = Upload(
        io.BytesIO(sites(10)), "the-key", dry_run=False,
        on_progress=lambda _: None, on_wait=lambda *_: None,
    )  # fmt: skip
    async with client(Access(api.url, api.keys[Role.WRITE])) as found:
        use_up()
        result = await found.import_lines(upload, pause)
    # then: at least as long, and as after any failure
    assert result["created"] == 10
    assert waited == [5]


async def test_what_only_reads_waits_by_itself(limited):
    api, use_up, _ = limited
    async with client(Access(api.url, api.keys[Role.WRITE])) as found:
        use_up()
        began = time.monotonic()
        assert await found.find_import("none") is None
        result = time.monotonic() - began
    assert result >= 1


@pytest.mark.parametrize(
    ("said", "seconds"), [("7", 7), ("0", 1), ("100000", 120), ("soon", 1), (None, 1)]
)
def test_retry_after_is_parsed_within_bounds(said, seconds):
    class Answer:
        headers = {} if said is None else {"Retry-After": said}

    assert _after_s(Answer) == seconds
