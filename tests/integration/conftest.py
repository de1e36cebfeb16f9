"""What tests of the queues and the API share."""

import pytest
import redis as redis_client

from monitor.queue.broker import Broker
from support.api import open_api


@pytest.fixture
def client(redis_url):
    """Straight to Redis."""
    with redis_client.Redis.from_url(redis_url) as made:
        yield made


@pytest.fixture
def broker(redis_url):
    """One that has no actors of its own."""
    made = Broker(redis_url)
    yield made
    made.close()
    made.client.close()


@pytest.fixture
async def api(postgres_server, redis_url):
    """The API over an empty database."""
    async with open_api(postgres_server, redis_url) as opened:
        yield opened
