"""The whole system, once for all tests of this folder in one test process."""

import uuid

import psycopg
import pytest
import redis as redis_client

from support.influx import find_influxd
from support.system import running_system


@pytest.fixture(scope="session")
def system(postgres_server, redis_server, request, tmp_path_factory):
    """The product's real processes, with InfluxDB where there is one."""
    name = f"system_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "monitor"')
    with redis_client.Redis.from_url(redis_server.url) as client:
        client.flushall()
    influx = None
    if find_influxd() is not None:
        influx = (request.getfixturevalue("influx_server").url, name)
    directory = tmp_path_factory.mktemp("system")
    with running_system(directory, postgres_server.url(name), redis_server.url, influx) as made:
        yield made
