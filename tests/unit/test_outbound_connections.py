"""Which modules may open connections, and on whose word; no other does.

Read from the source: a call, or a reference, to anything that makes a connection or looks a name
up, however it was imported.
"""

from __future__ import annotations

import ast
from pathlib import Path

import monitor

SOURCE = Path(monitor.__file__).parent

STRANGER, OPERATOR, OURS = "a stranger's", "the operator's", "our own"
WORD = {
    "metrics/server.py": OPERATOR,  # MONITOR_METRICS_HOST, to listen on
    "channels/email/smtp.py": OPERATOR,  # SMTP_HOST
    "cli/client.py": OPERATOR,  # MONITOR_URL
    "cli/aio.py": OURS,  # a pair of its own, by which signals wake it
    "local/demo.py": OURS,  # loopback, to listen on
    "local/http.py": OURS,  # the stack's own API
    "local/mailbox.py": OURS,  # loopback, to listen on
    "local/postgres.py": OURS,  # the stack's own Postgres
    "local/redis.py": OURS,  # the stack's own Redis
    "local/stack.py": OURS,  # whether its port is free
    "probes/net/dns_servers.py": OPERATOR,  # MONITOR_DNS_SERVERS, or the system's
    "probes/net/connector.py": STRANGER,  # behind the address policy
    "probes/net/reference_hosts.py": OPERATOR,  # MONITOR_CONNECTIVITY_TARGETS
    "probes/net/resolver.py": STRANGER,  # names are asked of the operator's DNS servers
    "probes/net/stub_resolver.py": STRANGER,  # the same
    "storage/postgres/connect.py": OPERATOR,  # DATABASE_URL
    "storage/postgres/connection.py": OPERATOR,  # DATABASE_URL
    "storage/postgres/migrations.py": OPERATOR,  # DATABASE_URL
    "storage/postgres/pool.py": OPERATOR,  # DATABASE_URL
    "storage/redis/client.py": OPERATOR,  # REDIS_URL
    "storage/redis/connect.py": OPERATOR,  # REDIS_URL
    "storage/timeseries/influxdb_http.py": OPERATOR,  # INFLUXDB_URL
}

CALLS = frozenset(
    {
        "AsyncConnectionPool", "ClientSession", "Connection", "ConnectionPool", "Controller",
        "DNSResolver", "FTP", "HTTPConnection", "HTTPSConnection", "HTTPHandler", "IMAP4",
        "InfluxDBClient", "InfluxDBClientAsync", "POP3", "PoolManager", "Redis", "SMTP", "SMTP_SSL",
        "SocketHandler", "SysLogHandler", "TCPConnector", "Telnet", "build_opener", "connect",
        "connect_ex", "create_connection", "create_datagram_endpoint", "create_server",
        "create_unix_connection", "from_url", "getaddrinfo", "gethostbyaddr", "gethostbyname",
        "gethostbyname_ex", "getnameinfo", "open_connection", "open_unix_connection",
        "sendto", "sock_connect", "sock_sendto", "socketpair", "start_server", "start_tls",
        "urlopen", "urlretrieve", "wrap_socket",
    }
)  # fmt: skip
MODULES = frozenset(
    {"ftplib", "httpx", "imaplib", "poplib", "requests", "smtplib", "telnetlib", "urllib.request",
     "urllib3", "xmlrpc", "pycurl", "websockets"}
)  # fmt: skip
OF_SOCKET = frozenset({"socket", "SocketType", "fromfd"})


def openings(text):
    """The names in this source that can open a connection."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "self._connector.connect":
            continue  # the one way of the probes, judged by itself
        if isinstance(node, ast.Call) and _name(node.func) in CALLS | OF_SOCKET:
            yield _name(node.func)
        elif isinstance(node, ast.Call):
            # partial(loop.create_connection, ...): passed on, and called elsewhere
            yield from (_name(given) for given in node.args if _name(given) in CALLS)
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            yield node.module


def _name(node):
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _found():
    paths = {str(p.relative_to(SOURCE)): p for p in SOURCE.rglob("*.py")}
    return {name: set(openings(path.read_text())) for name, path in paths.items()}


def test_only_listed_modules_open_connections():
    found = {name: calls for name, calls in _found().items() if calls}

    assert {name: calls for name, calls in found.items() if name not in WORD} == {}
    assert set(WORD) - set(found) == set()


def test_only_connector_and_resolvers_connect_to_untrusted_addresses():
    assert [name for name, word in WORD.items() if word == STRANGER] == [
        "probes/net/connector.py",
        "probes/net/resolver.py",
        "probes/net/stub_resolver.py",
    ]


def test_one_prober_makes_one_connector_with_the_policy_it_was_given():
    """What a website's URL says reaches a socket on one way only."""
    made = {
        str(path.relative_to(SOURCE)): _connectors(path)
        for path in (SOURCE / "probes").rglob("*.py")
    }

    assert {name: calls for name, calls in made.items() if calls} == {
        "probes/http/prober.py": ["Connector(self._resolver, policy, self._deadlines)"]
    }


def _connectors(path):
    calls = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call))
    return [ast.unparse(call) for call in calls if _name(call.func) == "Connector"]


def test_all_ways_to_connect_are_recognised():
    for text in (
        "import urllib.request",
        "from smtplib import SMTP as S",
        "async def f(loop): await loop.create_connection(object, 'h', 1)",
        "from asyncio import open_connection\nopen_connection('h', 1)",
        "import socket\nsocket.socket()",
        "from functools import partial\npartial(loop.sock_connect, s)",
        "aiohttp.ClientSession()",
    ):
        assert list(openings(text)), text
