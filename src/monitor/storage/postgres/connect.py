"""Whether Postgres lets us in, and why not, in words for whoever started a command."""

from __future__ import annotations

import re

import psycopg

from monitor.domain.errors import Unavailable

_TIMEOUT_S = 5
_WHERE_AND_WHY = re.compile(
    r'connection to server (?:at|on socket) "(?P<host>[^"]*)"(?: \([^)]*\))?'
    r"(?:, port (?P<port>\d+))? failed: (?:FATAL: +)?(?P<why>[^\n]+)"
)
_NO_SUCH_HOST = re.compile(r"failed to resolve host '(?P<host>[^']*)'")


def must_connect(database_url: str) -> None:
    """Connect once, waiting for at most 5 s.

    Raises Unavailable: where, why, and which setting to look at.
    """
    try:
        psycopg.connect(database_url, connect_timeout=_TIMEOUT_S).close()
    except psycopg.Error as error:
        text = f"{_where_and_why(str(error))}: is it running, and is DATABASE_URL right?"
        raise Unavailable("postgres", text) from error


async def server(database_url: str) -> tuple[str, str]:
    """The server's version, such as ``16.2``, and where it is. Raises Unavailable: where and why.

    Connects by itself, as a pool keeps to itself why it cannot.
    """
    try:
        connection = await psycopg.AsyncConnection.connect(
            database_url, connect_timeout=_TIMEOUT_S, autocommit=True
        )
    except psycopg.Error as error:
        raise Unavailable("postgres", _where_and_why(str(error))) from error
    async with connection:
        info = connection.info
        major, minor = divmod(info.server_version, 10_000)
        where = info.host if info.host.startswith("/") else f"{info.host}:{info.port}"
        return f"{major}.{minor}", where


def _where_and_why(message: str) -> str:
    """Where and why, from the driver's message; nothing else of it, as it may quote the URL."""
    if match := _WHERE_AND_WHY.search(message):
        port = f":{match['port']}" if match["port"] else ""
        return f"no connection to {match['host']}{port} ({match['why'].strip()})"
    if match := _NO_SUCH_HOST.search(message):
        return f"there is no host {match['host']}"
    return "no connection"
