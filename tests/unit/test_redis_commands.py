"""Commands are written by hiredis as redis-py would write them."""

import pytest
from redis.asyncio import Connection
from redis.exceptions import DataError

from monitor.storage.redis.client import make_client


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "name"),
        ("SCRIPT LOAD", "return 1"),
        ("HSET", b"key", "grün", b"\x00\r\n$5", 17, -1, 2.5),
        ("HMGET", "states", *[bytes([n] * 16) for n in range(256)]),
        ("SET", "", b""),
    ],
)
@pytest.mark.parametrize("url", ["redis://h/0", "rediss://h/0", "unix:///tmp/h.sock"])
def test_commands_are_encoded_as_by_the_library(url, command):
    pool = make_client(url).connection_pool
    ours = pool.connection_class(**pool.connection_kwargs)
    assert b"".join(ours.pack_command(*command)) == b"".join(Connection().pack_command(*command))
    assert b"".join(ours.pack_commands([command, command])) == 2 * b"".join(
        ours.pack_command(*command)
    )


def test_invalid_arguments_are_refused():
    pool = make_client("redis://h/0").connection_pool
    with pytest.raises(DataError):
        pool.connection_class().pack_command("SET", "name", None)
