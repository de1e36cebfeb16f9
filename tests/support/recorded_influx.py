"""InfluxDB 2.7.12 and 3 Core 3.9.6, as real ones answered on 30 November 2026.

Neither runs where tests run. What they said was written down, and is said again here; what is kept
lies in a real InfluxDB 1.x, if there is one (``target``). What is marked "unverified" was not
tried: it is how the API references on docs.influxdata.com have it
(influxdb/v2/api/buckets, influxdb3/core/api/database, influxdb3/core/api/write-data).
"""

import gzip
import json
import re
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

TOKEN = "the-token=="
ORG, ORG_ID = "monitor", "0a1b2c3d4e5f6071"
BLOCK_S = 600
DAY_S = 86_400
EVERYTHING = None

_SPAN = re.compile(r"time >= (-?\d+)s AND time < (-?\d+)s")
_LAST = re.compile(r"time >= now\(\) - (\d+)([dm])(?: AND time < now\(\) - (\d+)d)?")
_UNESCAPED_BLANK = re.compile(r"(?<!\\) ")
_UNIT_S = {"d": DAY_S, "m": 60}


class Asked(NamedTuple):
    """A request: its method, path, query and body, which is taken out of any compression."""

    method: str
    path: str
    query: dict
    body: bytes


class Grants(NamedTuple):
    """What a token of 2.x may do: names of buckets, and whether it may make others."""

    read: frozenset = frozenset()
    write: frozenset = frozenset()
    make: bool = False


def granted(*names, make=False):
    """To read and write these."""
    return Grants(frozenset(names), frozenset(names), make)


class Recorded:
    """What both have in common.

    ``retention_s``: {database or bucket: for how long it keeps points, 0 for ever}.
    ``now_s``: what now() means in questions. ``blocks``: {database: ten minutes that hold points}.
    """

    version = ""

    def __init__(self, target=None, prefix="", now_s=0):
        self.target, self.prefix, self.now_s = target, prefix, now_s
        self.retention_s = {}
        self.requests = []
        self.blocks = {}
        self.types = {}
        self.orgs = {ORG: ORG_ID}
        self.url = ""
        self.grants = EVERYTHING

    def asked(self, path, method=None):
        """The requests for a path, in their order."""
        return [r for r in self.requests if r.path == path and method in (None, r.method)]

    async def answer(self, request):
        body = await request.read()
        if body[:2] == b"\x1f\x8b":  # aiohttp takes it out of its compression, if it is told
            body = gzip.decompress(body)
        asked = Asked(request.method, request.path, dict(request.query), body)
        self.requests.append(asked)
        refusal = self.refusal(request)
        if refusal is not None:
            return refusal
        if asked.path == "/ping":
            return self.ping()
        if asked.path == "/query":
            return await self.query(asked, request)
        return await self.other(asked, request)

    # What is kept, in a real server

    async def make(self, name, retention_s):
        self.retention_s[name] = retention_s
        if self.target is not None:
            lifetime = f"DURATION {retention_s}s REPLICATION 1" if retention_s else "REPLICATION 1"
            statement = f'CREATE DATABASE "{self.prefix}{name}" WITH {lifetime} NAME "autogen"'
            await self.pass_on("POST", f"/query?{urlencode({'q': statement})}")

    async def pass_on(self, method, path, body=b""):
        if self.target is None:
            empty = b"" if path.startswith("/write") else b'{"results":[{"statement_id":0}]}'
            return (204 if path.startswith("/write") else 200), empty
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.target}{path}", data=body) as response,
        ):
            return response.status, await response.read()

    async def keep(self, name, lines):
        """Store lines; returns status and body of the real server."""
        points = [line for line in lines if not line.startswith(b"#")]
        if not points:
            return 204, b""
        blocks = self.blocks.setdefault(name, set())
        blocks |= {int(line.rpartition(b" ")[2]) // BLOCK_S for line in points}
        query = urlencode({"db": f"{self.prefix}{name}", "precision": "s"})
        return await self.pass_on("POST", f"/write?{query}", b"\n".join(points))

    def conflicts(self, name, lines):
        """{number of a line: its field that had another type before}."""
        found = {}
        for number, line in enumerate(lines):
            if line.startswith(b"#"):
                continue
            measurement, _, rest = line.decode().partition(",")
            fields = [f.partition("=") for f in _UNESCAPED_BLANK.split(rest)[1].split(",")]
            for field, _, value in fields:
                kind = "string" if value[0] == '"' else "integer" if value[-1] == "i" else "float"
                if self.types.setdefault((name, measurement, field), kind) != kind:
                    found[number] = (field, self.types[name, measurement, field], kind)
        return found

    async def select(self, name, asked, request):
        passed = asked.query | {"db": f"{self.prefix}{name}"}
        _, body = await self.pass_on("GET", f"/query?{urlencode(passed)}")
        return body

    async def query(self, asked, request):
        statement, name = asked.query.get("q", ""), asked.query.get("db", "")
        if not statement:
            statement = dict(re.findall(r"(\w+)=([^&]*)", asked.body.decode())).get("q", "")
        if statement.startswith(("CREATE", "ALTER", "DROP")):
            return _result(self.not_implemented(statement))
        if name not in self.retention_s or not self.may("read", name):
            return _result(self.not_found(name))
        if statement.startswith("SHOW RETENTION POLICIES"):
            return self.policies(name)
        refusal = self.too_much(name, statement)
        if refusal is not None:
            return refusal
        body = await self.select(name, asked, request)
        return web.Response(body=body, content_type="application/json")

    def may(self, verb, name):
        return self.grants is EVERYTHING or name in getattr(self.grants, verb)

    def policies(self, name):
        columns = ["name", "duration", "shardGroupDuration", "replicaN", "default"]
        row = ["autogen", self.shown(self.retention_s[name]), "24h0m0s", 1, True]
        return _json(200, {"results": [{"series": [{"columns": columns, "values": [row]}]}]})

    def too_much(self, _name, _statement):
        return None


class Recorded2(Recorded):
    """2.7.12. ``empty_write``: how it answers a write without a point, which is unverified."""

    version = "v2.7.12"
    empty_write = (400, "writing requires points")
    missing_is_404 = True
    """How it answers a bucket's name that it does not know: unverified; else with an empty list."""

    def refusal(self, request):
        if request.path == "/ping":
            return None
        token = request.headers.get("Authorization")
        if token == f"Token {TOKEN}":
            return None
        return self.says(401, "unauthorized", "Unauthorized" if token else "unauthorized access")

    def says(self, status, code, message):
        return _json(status, {"code": code, "message": message})

    def ping(self):
        return web.Response(status=204, headers={"X-Influxdb-Version": self.version})

    def not_found(self, name):
        return f"database not found: {name}"

    def not_implemented(self, statement):
        return f"not implemented: {' '.join(statement.split()[:2])}"

    def shown(self, _retention_s):
        return "0s"  # whatever it is

    async def other(self, asked, request):
        if asked.path == "/write":
            return await self.write(asked)
        if asked.path == "/api/v2/orgs":
            wanted = asked.query.get("org")
            orgs = [{"id": i, "name": n} for n, i in self.orgs.items() if wanted in (None, n)]
            if not orgs:
                return self.says(404, "not found", f'organization name "{wanted}" not found')
            return _json(200, {"orgs": orgs})
        if asked.path.startswith("/api/v2/buckets"):
            return await self.buckets(asked)
        return self.says(404, "not found", "path not found")

    async def write(self, asked):
        name = asked.query["db"]
        if name not in self.retention_s:
            return self.says(404, "not found", "no dbrp mapping found")
        if not self.may("write", name):
            return self.says(403, "forbidden", "insufficient permissions for write")  # unverified
        lines = asked.body.splitlines()
        if all(line.startswith(b"#") for line in lines):
            status, message = self.empty_write
            return web.Response(status=204) if status == 204 else self.says(400, "invalid", message)
        status, body = await self.keep(name, lines)
        if status == 204:
            return web.Response(status=204)
        message = json.loads(body)["error"]
        if "beyond retention policy" in message:
            message = _beyond_retention(message)
        return self.says(
            422, "unprocessable entity", f"failure writing points to database: {message}"
        )

    async def buckets(self, asked):
        if asked.method == "GET":
            return self.find(asked.query["name"])
        if self.grants is not EVERYTHING and not self.grants.make:
            return self.says(401, "unauthorized", f"write:orgs/{ORG_ID}/buckets is unauthorized")
        body = json.loads(asked.body)
        retention_s = sum(rule["everySeconds"] for rule in body["retentionRules"])
        if asked.method == "POST":
            return await self.create(body, retention_s)
        name = bytes.fromhex(asked.path.rpartition("/")[2]).decode()
        self.retention_s[name] = retention_s
        return _json(200, self.bucket(name))

    def find(self, name):
        if name in self.retention_s and self.may("read", name):
            return _json(200, {"links": {}, "buckets": [self.bucket(name)]})
        if self.missing_is_404:
            return self.says(404, "not found", f'bucket "{name}" not found')
        return _json(200, {"links": {}, "buckets": []})

    async def create(self, body, retention_s):
        name = body["name"]
        if body["orgID"] not in self.orgs.values():
            return self.says(404, "not found", "organization not found")
        if name in self.retention_s:
            return self.says(422, "conflict", f"bucket with name {name} already exists")
        await self.make(name, retention_s)
        return _json(201, self.bucket(name))

    def bucket(self, name):
        rules = [{"type": "expire", "everySeconds": self.retention_s[name]}]
        of_one = {"id": name.encode().hex(), "orgID": ORG_ID, "name": name, "type": "user"}
        return of_one | {"retentionRules": rules if self.retention_s[name] else []}


def _beyond_retention(message):
    """Its message has 563 characters, with the number at its end."""
    dropped = message.rpartition("dropped=")[2]
    point = "website_ticks,region=x,website_id=00000000-0000-4000-8000-000000000000"
    return (
        f"partial write: dropped {dropped} points outside retention policy of duration 720h0m0s - "
        f"oldest point {point} at 2026-10-01T00:00:00Z dropped because it violates a Retention "
        f"Policy Lower Bound at 2026-11-01T00:00:00.000000000Z, newest point {point} at "
        "2026-10-01T00:00:00Z dropped because it violates a Retention Policy Lower Bound at "
        f"2026-11-01T00:00:00.000000000Z dropped={dropped} for database: 0a1b2c3d4e5f6072 for "
        "retention policy: autogen"
    )


class Recorded3(Recorded):
    """3 Core 3.9.6: every token may do everything. ``max_body``: what it takes at most, bytes."""

    version = "3.9.6"
    max_body = 10_485_760
    file_limit = 432
    cut = 1000
    """Its answers come in pieces of so many bytes."""

    def refusal(self, request):
        tokens = (f"Token {TOKEN}", f"Bearer {TOKEN}")
        if request.headers.get("Authorization") in tokens:
            return None
        return _json(401, {"error": "the request was not authenticated"})

    def ping(self):
        body = {"product_name": "InfluxDB 3 Core", "version": self.version, "revision": "d7c071e0"}
        return _json(200, body | {"process_id": "x"}, {"x-influxdb-version": self.version})

    def not_found(self, name):
        return f"Cannot retrieve database: External error: database not found: {name}"

    def not_implemented(self, _statement):
        return "Error while planning query: SQL error: ParserError"

    def shown(self, retention_s):
        return f"{retention_s // 3600}h0m0s" if retention_s else "0s"

    def too_much(self, name, statement):
        """Every ten minutes that hold points are a file."""
        since_s, until_s = self.span(statement)
        files = sum(
            since_s < (b + 1) * BLOCK_S and b * BLOCK_S < until_s for b in self.blocks[name]
        )
        if files < self.file_limit:
            return None
        return _result(f"Query would scan {files} Parquet files, exceeding the file limit")

    def span(self, statement):
        if match := _SPAN.search(statement):
            return int(match[1]), int(match[2])
        if match := _LAST.search(statement):
            until_s = self.now_s - int(match[3]) * DAY_S if match[3] else 2**40
            return self.now_s - int(match[1]) * _UNIT_S[match[2]], until_s
        return 0, 2**40

    async def query(self, asked, request):
        self.blocks.setdefault(asked.query.get("db", ""), set())
        answer = await super().query(asked, request)
        if "chunked" not in asked.query:
            return answer
        documents = [json.loads(line) for line in answer.body.splitlines() if line.strip()]
        for document in documents:
            for result in document["results"]:
                for series in result.get("series", []):
                    series["partial"] = True
        whole = "".join(json.dumps(d, separators=(",", ":")) for d in documents).encode()
        stream = web.StreamResponse(headers={"Content-Type": "application/json"})
        await stream.prepare(request)
        for begin in range(0, len(whole), self.cut):
            await stream.write(whole[begin : begin + self.cut])
        return stream

    async def other(self, asked, request):
        if asked.path == "/api/v3/configure/database":
            return await self.databases(asked, request)
        if asked.path == "/write":
            return await self.write(asked, accept_partial=False)
        if asked.path == "/api/v3/write_lp":
            assert asked.query["precision"] == "second"
            return await self.write(
                asked, accept_partial=asked.query.get("accept_partial") == "true"
            )
        return _json(404, {"error": "not found"})

    async def write(self, asked, *, accept_partial):
        if len(asked.body) > self.max_body:
            text = f"max request size ({self.max_body} bytes) exceeded"
            return web.Response(status=500, text=text)
        name, lines = asked.query["db"], asked.body.splitlines()
        if name not in self.retention_s:
            if len(self.retention_s) >= 5:
                return self.five()
            await self.make(name, 0)
        refused = [
            {
                "error_message": f"invalid column type for column '{field}', expected "
                f"iox::column_type::field::{before}, got iox::column_type::field::{kind}",
                "line_number": number + 1,
                "original_line": lines[number].decode(),
            }
            for number, (field, before, kind) in self.conflicts(name, lines).items()
        ]
        if refused and not accept_partial:
            return _json(400, {"error": "parsing failed for write_lp endpoint", "data": refused[0]})
        bad = {one["line_number"] - 1 for one in refused}
        await self.keep(name, [line for n, line in enumerate(lines) if n not in bad])
        if refused:
            return _json(400, {"error": "partial write of line protocol occurred", "data": refused})
        return web.Response(status=204)

    async def databases(self, asked, request):
        if request.content_type != "application/json":
            return _json(415, {"error": "unsupported media type"})
        body = json.loads(asked.body)
        name, retention_s = body["db"], int(body["retention_period"].removesuffix("d")) * DAY_S
        if asked.method == "PUT":
            self.retention_s[name] = retention_s
            return web.Response(status=200)
        if name in self.retention_s:
            return _json(409, {"error": "attempted to create a resource that already exists"})
        if len(self.retention_s) >= 5:
            return self.five()
        await self.make(name, retention_s)
        return web.Response(status=200)

    def five(self):
        words = "Adding a new database would exceed limit of 5 databases"
        return _json(422, {"error": words})


def _json(status, body, headers=None):
    text = json.dumps(body).encode()
    return web.Response(status=status, body=text, content_type="application/json", headers=headers)


def _result(problem):
    return _json(200, {"results": [{"statement_id": 0, "error": problem}]})


@asynccontextmanager
async def running(server):
    """This server, listening for the length of a block."""
    application = web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
