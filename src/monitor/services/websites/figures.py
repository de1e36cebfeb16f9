"""Uptimes and strips of a page of websites: four queries of Postgres, whatever its length.

No tick and no roll-up is read. What the last hours, which are not rolled up yet, did not measure is
told by the states of the regions, as long as it lasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from monitor.domain.figures import QUARTER_S, Figures, History, figures
from monitor.domain.ids import ring_position
from monitor.domain.schedule import Schedule
from monitor.domain.windows import Window
from monitor.resources.website import Website
from monitor.storage.postgres import figures as stored_figures
from monitor.storage.postgres import gaps, history, schedules
from monitor.storage.postgres.pool import Connection, Pool, session

LastSlots = Mapping[str, int]
"""The slot of the last check in each region, in Unix seconds; 0: never checked. Without those of
which nobody can tell."""

_NEVER = Schedule((), ())


class ListFigures(Struct, frozen=True):
    """Figures of websites by their ids.

    ``p95_24h_ms``: where it is known, of the 24 hours to ``as_of_s``, which is the end of the last
    hourly roll-up; None before the first.
    """

    by_id: Mapping[UUID, Figures]
    p95_24h_ms: Mapping[UUID, float]
    as_of_s: int | None


async def of_page(
    pool: Pool, websites: Sequence[tuple[Website, LastSlots]], now_s: int
) -> ListFigures:
    """The figures of these websites as of now. Raises Unavailable."""
    ids = [website.id for website, _ in websites]
    async with session(pool) as connection:
        as_of_s = await stored_figures.as_of(connection)
        p95s = await stored_figures.p95s(connection, ids)
        known = await Known.read(connection, ids, now_s - QUARTER_S)
    by_id = {
        website.id: figures(known.history(website, last_s, as_of_s or 0), now_s)
        for website, last_s in websites
    }
    return ListFigures(by_id, p95s, as_of_s)


class Known(Struct, frozen=True):
    """What Postgres knows of some websites from a time on."""

    schedules: Mapping[UUID, Schedule]
    gaps: Mapping[UUID, Mapping[str, Sequence[Window]]]
    incidents: Mapping[UUID, Sequence[Window]]

    @classmethod
    async def read(cls, connection: Connection, ids: Sequence[UUID], since_s: int) -> Known:
        return cls(
            await schedules.each(connection, ids, since_s),
            await gaps.fetch(connection, ids, since_s),
            await history.spans(connection, ids, since_s),
        )

    def history(self, website: Website, last_s: LastSlots, rolled_up_s: int) -> History:
        """The history of one of them."""
        return History(
            position=ring_position(website.id),
            created_s=int(website.created_at.timestamp()),
            request_timeout_s=website.check.request_timeout,
            schedule=self.schedules.get(website.id, _NEVER),
            gaps=self.gaps.get(website.id, {}),
            incidents=self.incidents.get(website.id, ()),
            last_s=last_s,
            rolled_up_s=rolled_up_s,
        )
