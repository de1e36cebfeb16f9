"""A stack is ready when the first check could be made."""

from pathlib import Path

import pytest

from monitor.local.http import Response
from monitor.local.readiness import missing
from monitor.services.workers.presence import Present

LOGS = Path("/data/log")
ADVICE = "is INFLUXDB_URL right, and its server running?"
READY = Response(200, {"status": "ok", "checks": {}})
ALL = [
    Present("api", None, "1", []),
    Present("central", None, "1", None),
    Present("scheduler", None, "1", None),
    Present("region", "local", "1", []),
]


def test_nothing_is_missing():
    assert missing(READY, ALL, LOGS) is None


@pytest.mark.parametrize(
    ("role", "child"), [("central", "central"), ("scheduler", "scheduler"), ("region", "local")]
)
def test_whoever_was_not_heard_of_is_named_with_its_log(role, child):
    # when
    said = missing(READY, [p for p in ALL if p.role != role], LOGS)
    # then
    assert (
        said == f"nothing was heard of the process {child!r} yet; its log is /data/log/{child}.log"
    )


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (Response(0, {}), "the API does not answer; its log is /data/log/api.log"),
        (
            Response(503, {"checks": {"postgres": "ok", "ticks": "unavailable"}}),
            f"these do not answer: ticks ({ADVICE}); logs are in /data/log",
        ),
        (Response(500, {}), "these do not answer: the API; logs are in /data/log"),
    ],
)
def test_what_the_api_says_comes_first(response, said):
    assert missing(response, [], LOGS) == said
