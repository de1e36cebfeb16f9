"""Real servers for the tests: each test process starts its own, on its own paths and ports."""

import gc
import inspect
import os
import uuid

import pytest
import redis as redis_client
import structlog
from hypothesis import settings

from monitor.local.postgres import EmbeddedPostgres
from monitor.local.redis import EmbeddedRedis
from monitor.storage.postgres.migrations import migrate
from support.databases import new_database
from support.influx import InfluxServer, need_influxd
from support.places import server_directory
from support.targets_loops import COMPLAINTS, LIMIT_S, limited, loop_factories
from support.world import open_world

# Speed is judged in bench/, never by a test. In CI the same cases are tried every time, so that a
# change fails there by what it changes and not by luck; elsewhere others are. SEED=7 looks further:
# with --hypothesis-seed=7, which `make test` passes on, and more cases.
settings.register_profile(
    "monitor", deadline=None, derandomize=False, print_blob=True, max_examples=50
)
settings.register_profile("ci", settings.get_profile("monitor"), derandomize=True, database=None)
settings.register_profile("seed", settings.get_profile("monitor"), max_examples=200)
_HERE = "ci" if os.environ.get("CI") else "monitor"
settings.load_profile("seed" if "SEED" in os.environ else _HERE)

# What is logged by tests that configure no logging. The default draws a traceback with its local
# variables, where rich is installed: seconds of CPU for each error that a test provokes.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "128MB",  # its files may be in memory
}


def pytest_collection_finish():
    """What was imported stays: no garbage collection looks through it again, and the tests of
    leaks ask for hundreds."""
    gc.collect()
    gc.freeze()


def pytest_asyncio_loop_factories(config, item):
    return loop_factories(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """No coroutine test goes on for ever."""
    if inspect.iscoroutinefunction(getattr(item, "obj", None)):
        mark = item.get_closest_marker("limit_s")
        item.obj = limited(item.obj, mark.args[0] if mark else LIMIT_S)
    return (yield)


@pytest.fixture(autouse=True)
def no_complaints():
    """Looks when the test's loop is closed: what ``on_both_loops`` promises."""
    yield
    heard = [complaint for of_loop in COMPLAINTS for complaint in of_loop]
    COMPLAINTS.clear()
    assert not heard


@pytest.fixture(scope="session")
def servers_directory():
    """Where this test process's servers live."""
    with server_directory("monitor-tests-") as directory:
        yield directory


@pytest.fixture(scope="session")
def postgres_server(servers_directory):
    """A PostgreSQL server with a migrated database ``monitor`` to copy from."""
    server = EmbeddedPostgres(servers_directory / "postgres", _FAST)
    server.start()
    migrate(server.url("monitor"))
    yield server
    server.stop()


@pytest.fixture
def empty_database_url(postgres_server):
    """The URL of a new database without any table."""
    with new_database(postgres_server, template="template1") as url:
        yield url


@pytest.fixture
def database_url(postgres_server):
    """The URL of a new, migrated database."""
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def redis_server(servers_directory):
    server = EmbeddedRedis(servers_directory / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server):
    """The URL of an empty Redis."""
    with redis_client.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture(scope="session")
def influx_server(tmp_path_factory):
    """A real InfluxDB server; a visible skip where it is not installed."""
    need_influxd()
    server = InfluxServer(tmp_path_factory.mktemp("influx")).start()
    yield server
    server.stop()


@pytest.fixture
def influx_database(influx_server):
    """(URL, name) of a database of its own, not made yet: the store's prepare() makes it."""
    return influx_server.url, f"test_{uuid.uuid4().hex}"


@pytest.fixture
async def world(database_url, redis_url):
    """Postgres, Redis and a clock, for the services."""
    async with open_world(database_url, redis_url) as opened:
        yield opened
