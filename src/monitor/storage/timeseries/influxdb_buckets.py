"""The databases (1.x, 3 Core) or buckets (2.x) that ticks need: looked for, made, kept so long.

Each version has an API of its own for that: InfluxQL (1.x), ``/api/v2/buckets`` (2.x) and
``/api/v3/configure/database`` (3 Core), as their references on docs.influxdata.com have them.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from monitor.domain.errors import Misconfigured
from monitor.domain.series import DAY_S
from monitor.runtime.logging import get_logger
from monitor.storage.timeseries import influxql
from monitor.storage.timeseries.influxdb_errors import (
    DatabaseMissing,
    NotAllowed,
    Rejected,
    no_influxdb,
)
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from monitor.storage.timeseries.influxql import identifier

_log = get_logger(__name__)
T = TypeVar("T")


class Bucket(Struct, frozen=True):
    """What one should be: its name, and for how many ``days`` it keeps what it ``holds``.

    ``setting`` says how many. Points begin ``spacing_s`` apart; shards have ``shard_days`` (1.x).
    Without one that is not ``needed`` checks go on, and what it should hold is made up for later.
    """

    name: str
    holds: str
    days: int
    setting: str
    spacing_s: int
    shard_days: int
    needed: bool = True


class Admin(Protocol):
    """How one version administers its buckets. Raises NotAllowed, Misconfigured and Unavailable.

    ``makes_where``: on what condition it makes one, in words. ``shortens``: whether it lets one
    keep points for less time than it does, which deletes what is older: only those of 1.x were
    always made by us.
    """

    makes_where: str
    shortens: bool

    async def retention_s(self, name: str) -> int | None:
        """For how many seconds it keeps points, 0 for ever; None where there is none."""

    async def create(self, bucket: Bucket) -> None:
        """Make it. Does nothing where another process has just made it."""

    async def set_retention(self, bucket: Bucket) -> None:
        """Let it keep points as long as its setting says."""

    def making(self, bucket: Bucket) -> str:
        """The command by which an operator makes it."""

    def changing(self, bucket: Bucket) -> str:
        """The command by which an operator sets its retention."""


async def admin_of(http: InfluxHttp) -> Admin:
    """How the server behind ``http`` is administered."""
    major = await http.major()
    if major < 2:
        return Databases1(http)
    return Buckets2(http) if major == 2 else Databases3(http)


async def ensure(admin: Admin, bucket: Bucket) -> None:
    """Make a bucket where there is none. Raises Misconfigured where the token may not."""
    if await admin.retention_s(bucket.name) is None:
        await _create(admin, bucket)


async def settle(admin: Admin, bucket: Bucket) -> str:
    """The same, and let it keep what it holds as long as its setting says.

    Returns a remark where the token may not change that, or where that is for an operator to do.
    """
    kept_s = await admin.retention_s(bucket.name)
    if kept_s is None:
        await _create(admin, bucket)
        return ""
    if kept_s == bucket.days * DAY_S:
        return ""
    if not (admin.shortens or 0 < kept_s < bucket.days * DAY_S):
        return _difference(admin, bucket, kept_s)
    try:
        await admin.set_retention(bucket)
    except (NotAllowed, Rejected):
        return _difference(admin, bucket, kept_s)
    _log.warning("ticks.retention_set", bucket=bucket.name, days=bucket.days, before_s=kept_s)
    return ""


async def compare(admin: Admin, bucket: Bucket) -> str:
    """A remark where it keeps what it holds longer or shorter than its setting says.

    Raises Misconfigured where there is none.
    """
    kept_s = await admin.retention_s(bucket.name)
    if kept_s is None:
        raise _missing(admin, bucket)
    return "" if kept_s == bucket.days * DAY_S else _difference(admin, bucket, kept_s)


def _difference(admin: Admin, bucket: Bucket, kept_s: int) -> str:
    kept = f"{kept_s / DAY_S:g} days" if kept_s else "ever"
    return (
        f"it keeps {bucket.holds} for {kept} instead of {bucket.days} days ({bucket.setting}), and "
        f"central workers only lengthen that, where INFLUXDB_TOKEN may: else "
        f"run `{admin.changing(bucket)}`"
    )


async def _create(admin: Admin, bucket: Bucket) -> None:
    try:
        await admin.create(bucket)
    except (NotAllowed, Rejected) as error:
        raise _missing(admin, bucket, str(error)) from error
    _log.info("ticks.bucket_made", bucket=bucket.name, days=bucket.days)


def _missing(admin: Admin, bucket: Bucket, details: str = "") -> Misconfigured:
    """The error for a bucket that there is not, or that the token may not see."""
    problem = (
        f"it has no bucket {bucket.name!r} for {bucket.holds} that INFLUXDB_TOKEN may use; central "
        f"workers make it where {admin.makes_where}: else run `{admin.making(bucket)}` and let it "
        "read and write that, or correct INFLUXDB_BUCKET"
    )
    return Misconfigured("influxdb", problem, details)


class _Databases:
    """Databases whose retention InfluxQL shows."""

    def __init__(self, http: InfluxHttp) -> None:
        self._http = http

    async def retention_s(self, name: str) -> int | None:
        """That of the default policy; see ``Admin``."""
        query = f"SHOW RETENTION POLICIES ON {identifier(name)}"
        try:
            rows = list(influxql.rows(await self._http.query(name, query)))
        except DatabaseMissing:
            return None
        policies = [row for row in rows if row.get("default", True)]
        return influxql.duration_s(policies[0]["duration"]) if policies else 0


class Databases1(_Databases):
    """InfluxDB 1.x: statements of InfluxQL."""

    makes_where = "that is an administrator's"
    shortens = True

    async def create(self, bucket: Bucket) -> None:
        try:
            await self._http.execute(self.making(bucket))
        except Rejected as error:
            if "conflicts with an existing policy" not in str(error):
                raise
            # Another process with other settings was faster.
            await self.set_retention(bucket)

    async def set_retention(self, bucket: Bucket) -> None:
        await self._http.execute(self.changing(bucket))

    def making(self, bucket: Bucket) -> str:
        return f'CREATE DATABASE {identifier(bucket.name)} WITH {_lifetime(bucket)} NAME "autogen"'

    def changing(self, bucket: Bucket) -> str:
        policy = f'"autogen" ON {identifier(bucket.name)}'
        return f"ALTER RETENTION POLICY {policy} {_lifetime(bucket)} DEFAULT"


def _lifetime(bucket: Bucket) -> str:
    return f"DURATION {bucket.days}d REPLICATION 1 SHARD DURATION {bucket.shard_days}d"


class _Rule(Struct):
    everySeconds: int = 0  # noqa: N815 - as in the API


class _Bucket2(Struct):
    id: str
    name: str
    orgID: str = ""  # noqa: N815 - as in the API
    retentionRules: list[_Rule] = []  # noqa: N815 - as in the API


class _Buckets2(Struct):
    buckets: list[_Bucket2] = []


class _Org(Struct):
    id: str
    name: str


class _Orgs(Struct):
    orgs: list[_Org] = []


class Buckets2:
    """InfluxDB 2.x: /api/v2/buckets. A token sees the buckets that it may read or write."""

    _PATH = "/api/v2/buckets"
    makes_where = "that may write all buckets"
    shortens = False

    def __init__(self, http: InfluxHttp) -> None:
        self._http = http
        self._org_id = ""

    async def retention_s(self, name: str) -> int | None:
        bucket = await self._find(name)
        if bucket is None:
            return None
        return max((rule.everySeconds for rule in bucket.retentionRules), default=0)

    async def _find(self, name: str) -> _Bucket2 | None:
        try:
            body = await self._http.call("GET", self._PATH, {"name": name})
        except DatabaseMissing:
            return None
        buckets = [b for b in _decode(body, _Buckets2).buckets if b.name == name]
        if len(buckets) > 1:  # an operator's token sees those of every organisation
            org_id = await self._organisation()
            buckets = [b for b in buckets if b.orgID == org_id]
        if not buckets:
            return None
        self._org_id = buckets[0].orgID
        return buckets[0]

    async def create(self, bucket: Bucket) -> None:
        org_id = self._org_id or await self._organisation()
        rules = {"retentionRules": [_rule(bucket)]}
        body = {"orgID": org_id, "name": bucket.name, "description": bucket.holds, **rules}
        try:
            await self._http.call("POST", self._PATH, body=body)
        except Rejected as error:
            # 422: there is one, made a moment ago, or else one that this token may not see.
            if error.status != 422 or await self._find(bucket.name) is None:
                raise

    async def _organisation(self) -> str:
        """The id of INFLUXDB_ORG, or of the only one. Raises Misconfigured."""
        name = self._http.org
        try:
            body = await self._http.call("GET", "/api/v2/orgs", {"org": name} if name else {})
        except DatabaseMissing:
            body = b"{}"
        orgs = _decode(body, _Orgs).orgs
        if len(orgs) != 1:
            problem = "has no organisation of that name" if name else "does not say which to use"
            raise Misconfigured("influxdb", f"INFLUXDB_ORG {problem}: correct it")
        return orgs[0].id

    async def set_retention(self, bucket: Bucket) -> None:
        stored = await self._find(bucket.name)
        if stored is not None:
            body = {"retentionRules": [_rule(bucket)]}
            await self._http.call("PATCH", f"{self._PATH}/{stored.id}", body=body)

    def making(self, bucket: Bucket) -> str:
        org = f" --org {self._http.org}" if self._http.org else ""
        return f"influx bucket create{org} --name {bucket.name} --retention {bucket.days}d"

    def changing(self, bucket: Bucket) -> str:
        return f"influx bucket update --id ID --retention {bucket.days}d # of {bucket.name}"


def _rule(bucket: Bucket) -> dict[str, Any]:
    return {"type": "expire", "everySeconds": bucket.days * DAY_S}


class Databases3(_Databases):
    """InfluxDB 3 Core: /api/v3/configure/database. A write makes a database that keeps for ever."""

    _PATH = "/api/v3/configure/database"
    makes_where = "it is one of five, which is all that 3 Core allows"
    shortens = False

    async def create(self, bucket: Bucket) -> None:
        try:
            await self._http.call("POST", self._PATH, body=_database(bucket))
        except Rejected as error:
            if error.status == 409:  # a write was faster, or another process
                await self.set_retention(bucket)
            elif "limit of" in str(error):
                raise self._no_more(bucket, error) from error
            else:
                raise

    async def set_retention(self, bucket: Bucket) -> None:
        await self._http.call("PUT", self._PATH, body=_database(bucket))

    def _no_more(self, bucket: Bucket, error: Rejected) -> Misconfigured:
        problem = (
            f"it lacks the database {bucket.name!r} for {bucket.holds} and has five others, which "
            "is all that 3 Core allows: delete one (`influxdb3 delete database NAME`), or set "
            "INFLUXDB_URL to a server with none"
        )
        return Misconfigured("influxdb", problem, str(error))

    def making(self, bucket: Bucket) -> str:
        return f"influxdb3 create database --retention-period {bucket.days}d {bucket.name}"

    def changing(self, bucket: Bucket) -> str:
        return (
            f"influxdb3 update database --database {bucket.name} --retention-period {bucket.days}d"
        )


def _database(bucket: Bucket) -> dict[str, str]:
    return {"db": bucket.name, "retention_period": f"{bucket.days}d"}


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise no_influxdb(f"invalid response: {error}") from error
