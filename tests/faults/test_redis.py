"""Redis dies, hangs, loses everything, and is out of reach of one region."""

from contextlib import ExitStack
from urllib.parse import urlsplit

from support.gate import Gate
from support.judge import Allowance
from support.system import eventually
from support.truth import scripted

WEBSITES = 300


def test_redis_killed_and_then_frozen_for_a_minute(faulty):
    with faulty(scripted(31, blind_s=75)) as system:
        # when it is killed and starts again, over its append-only file
        system.at(5)
        system.redis.kill()
        system.redis.start()
        # and then answers nothing for a minute
        system.at(20)
        system.redis.pause()
        system.at(50)
        _assert_the_api_says_so(system)
        system.at(80)
        system.redis.resume()
        # then what was due in that minute is late or was not measured, and nothing else is lost
        found = system.compare(
            Allowance(late_s=95, lost_ticks=2 * WEBSITES, extra_ticks=WEBSITES // 3)
        )
        print(found.numbers)  # noqa: T201 - what the fault did cost


def _assert_the_api_says_so(system):
    assert system.api.get("/healthz").status_code == 200
    assert system.api.get("/readyz", timeout=30).json()["checks"]["redis"] == "unavailable"
    answer = system.api.get("/monitor", timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_redis_flushed_and_then_unreachable_from_one_region(faulty):
    with ExitStack() as stack:
        gates = []

        def of(_postgres, redis, _influx):
            url = urlsplit(redis.url)
            gates.append(stack.enter_context(Gate(url.port)))
            through = url._replace(netloc=url.netloc.replace(str(url.port), str(gates[0].port)))
            return {"asia-1": {"REDIS_URL": through.geturl()}}

        script = scripted(32, blind_s=60)
        system = stack.enter_context(faulty(script, regions=("europe", "asia"), of=of))
        # when
        system.at(30)
        with system.redis.client() as client:
            client.flushall()
            eventually(lambda: client.hlen("monitor:definitions") == WEBSITES, within_s=30)
        # and, for half a minute, one region cannot reach it
        system.at(60)
        gates[0].cut()
        system.at(90)
        gates[0].open()
        # then
        found = system.compare(Allowance(late_s=80, lost_ticks=2 * WEBSITES, extra_ticks=WEBSITES))
        print(found.numbers)  # noqa: T201 - what the fault did cost
