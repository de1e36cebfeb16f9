"""Creating, changing, listing and deleting regions."""

from __future__ import annotations

from msgspec import Struct
from redis.asyncio import Redis

from monitor.domain.errors import BadQuery, Conflict, NotFound, Unavailable
from monitor.resources import cursors
from monitor.resources.audit import Action, Change, created, removed
from monitor.resources.fields import Values
from monitor.resources.formats import InvalidValue, region_name
from monitor.resources.region import Region
from monitor.runtime.logging import get_logger
from monitor.services.access import audit
from monitor.storage.postgres import regions, websites
from monitor.storage.postgres.pool import Connection, Pool, transaction
from monitor.storage.redis.regions import RegionReport, Regions

log = get_logger(__name__)

_FINGERPRINT = cursors.fingerprint("regions")


class ReportedRegion(Struct, frozen=True):
    """A region and its last report (None: no report yet, or Redis is unavailable)."""

    region: Region
    report: RegionReport | None


async def get(pool: Pool, redis: Redis, name: str) -> ReportedRegion:
    """One region. Raises NotFound."""
    async with transaction(pool) as connection:
        region = await _fetch(connection, name)
    return ReportedRegion(region, (await _reports(redis)).get(name))


async def page(
    pool: Pool, redis: Redis, limit: int, cursor: str | None
) -> tuple[list[ReportedRegion], str | None]:
    """The next regions by name, and the cursor of those after them."""
    after = _position(cursor)
    async with transaction(pool) as connection:
        rows = await regions.fetch_page(connection, after, limit + 1)
    reports = await _reports(redis)
    items = [ReportedRegion(r, reports.get(r.name)) for r in rows[:limit]]
    more = len(rows) > limit
    last = rows[limit - 1].name.encode() if more else b""
    return items, cursors.encode(last, _FINGERPRINT) if more else None


def _position(cursor: str | None) -> str:
    if cursor is None:
        return ""
    try:
        return region_name(cursors.decode(cursor, _FINGERPRINT).decode("ascii"))
    except (UnicodeDecodeError, InvalidValue):
        raise cursors.not_a_cursor() from None


async def create(pool: Pool, sent: Values) -> Region:
    """Create a region. Websites of all regions are then checked from it too. Raises Conflict."""
    name, description = sent["name"], sent.get("description", "")
    async with transaction(pool) as connection:
        await regions.insert(connection, name, description)
        changes = created({"description": description})
        await audit.note(connection, Action.REGION_CREATED, name, changes)
        return await _fetch(connection, name)


async def change(pool: Pool, redis: Redis, name: str, sent: Values) -> ReportedRegion:
    """Change the description, if one was sent. Workers do not use it, so Redis stays as it is.

    Raises NotFound.
    """
    async with transaction(pool) as connection:
        before, description = await _fetch(connection, name), sent.get("description")
        if isinstance(description, str) and description != before.description:
            await regions.describe(connection, name, description)
            changes = {"description": Change(before.description, description)}
            await audit.note(connection, Action.REGION_CHANGED, name, changes)
        region = await _fetch(connection, name)
    return ReportedRegion(region, (await _reports(redis)).get(name))


async def delete(pool: Pool, name: str, *, force: bool) -> None:
    """Delete a region. With ``force`` even if websites are checked from it.

    Raises NotFound, and Conflict where it is in use.
    """
    async with transaction(pool) as connection:
        if not _is_name(name) or not await regions.lock(connection, name):
            raise _missing()
        if not force and await regions.in_use(connection, name):
            raise Conflict(
                "region_in_use",
                "Websites are checked from this region; to remove it nevertheless, add force=true.",
            )
        before = await _fetch(connection, name)
        await regions.delete(connection, name)
        changes = removed({"description": before.description})
        await audit.note(connection, Action.REGION_DELETED, name, changes)
        await websites.note_change(connection, None)


async def must_exist(connection: Connection, name: str) -> None:
    """Check the query parameter ``region``. Raises BadQuery where there is no such region."""
    if not _is_name(name) or await regions.fetch(connection, name) is None:
        raise BadQuery.of("region", "does not name a region; GET /regions lists them")


async def _fetch(connection: Connection, name: str) -> Region:
    region = await regions.fetch(connection, name) if _is_name(name) else None
    if region is None:
        raise _missing()
    return region


def _missing() -> NotFound:
    return NotFound("region_not_found", "There is no region of this name.")


def _is_name(name: str) -> bool:
    try:
        return bool(region_name(name))
    except InvalidValue:
        return False


async def _reports(redis: Redis) -> dict[str, RegionReport]:
    try:
        return await Regions(redis).reports()
    except Unavailable as error:
        log.warning("regions.reports_unavailable", error=str(error))
        return {}
