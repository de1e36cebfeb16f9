"""The table of gaps: when a region measured nothing of what was due, one row a website and region.

The tick store has the gaps of every hour with its roll-up. Lists read these instead: nearly no
website has any, and an hour without a roll-up need not be looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from msgspec import Struct

from monitor.domain.windows import Window
from monitor.storage.postgres.pool import Connection


class Counted(Struct, frozen=True):
    """The time in which the slots of a website in a region were counted, and the gaps in it."""

    website_id: UUID
    region: str
    span: Window
    gaps: Sequence[Window]


_COUNTED = """
    unnest(%(ids)s::uuid[], %(regions)s::text[], %(spans)s::text[], %(gaps)s::text[])
    n (website_id, region, span, gaps)
"""

_REPLACE: LiteralString = f"""
    UPDATE gaps g SET spans = g.spans - n.span::int8multirange + n.gaps::int8multirange
      FROM {_COUNTED} WHERE g.website_id = n.website_id AND g.region = n.region
"""  # noqa: S608 - constants

_INSERT: LiteralString = f"""
    INSERT INTO gaps (website_id, region, spans)
    SELECT n.website_id, n.region, n.gaps::int8multirange
      FROM {_COUNTED} JOIN websites w ON w.id = n.website_id
     WHERE n.gaps <> '{{}}' ORDER BY 1, 2
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants


async def store(connection: Connection, counted: Sequence[Counted]) -> None:
    """Replace what was known of the gaps in these spans. Repeating it changes nothing."""
    if not counted:
        return
    values = {
        "ids": [c.website_id for c in counted],
        "regions": [c.region for c in counted],
        "spans": [_multirange([c.span]) for c in counted],
        "gaps": [_multirange(c.gaps) for c in counted],
    }
    await connection.execute(_REPLACE, values, prepare=False)
    await connection.execute(_INSERT, values, prepare=False)


def _multirange(windows: Sequence[Window]) -> str:
    return "{" + ",".join(f"[{w.since_s},{w.until_s})" for w in windows) + "}"


async def within(connection: Connection, since_s: int, until_s: int) -> list[UUID]:
    """The websites with a gap in this time."""
    cursor = await connection.execute(
        "SELECT DISTINCT website_id FROM gaps WHERE spans && int8range(%s, %s) ORDER BY 1",
        [since_s, until_s],
    )
    return [website_id for (website_id,) in await cursor.fetchall()]


async def expire(connection: Connection, before_s: int) -> None:
    """Forget what was before; rows without any gap go."""
    await connection.execute(
        "UPDATE gaps SET spans = spans - int8multirange(int8range(NULL, %(before)s))"
        " WHERE spans && int8range(NULL, %(before)s)",
        {"before": before_s},
    )
    await connection.execute("DELETE FROM gaps WHERE isempty(spans)")
