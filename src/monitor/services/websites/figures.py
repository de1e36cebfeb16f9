"""Uptimes and strips of a page of websites: two queries of Postgres, whatever its length.

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
from monitor.resources.website import Website
from monitor.storage.postgres import website_histories
from monitor.storage.postgres.figures import Begun
from monitor.storage.postgres.pool import Pool, session
from monitor.storage.postgres.website_histories import WebsiteHistory

LastSlots = Mapping[str, int]
"""The slot of the last check in each region, in Unix seconds; 0: never checked. Without those of
which nobody can tell."""

_NOTHING = WebsiteHistory(Schedule((), ()), (), {}, None)
"""Of a website that has been deleted meanwhile."""


class ListFigures(Struct, frozen=True):
    """Figures of websites by their ids.

    ``p95_24h_ms``: of the 24 hours to ``as_of_s``, which is the end of the last hourly roll-up;
    None before the first.
    """

    by_id: Mapping[UUID, Figures]
    p95_24h_ms: Mapping[UUID, float | None]
    as_of_s: int | None


async def of_page(
    pool: Pool, websites: Sequence[tuple[Website, LastSlots]], now_s: int
) -> ListFigures:
    """The figures of these websites as of now. Raises Unavailable."""
    ids = [website.id for website, _ in websites]
    async with session(pool) as connection:
        stored = await website_histories.read(connection, ids, now_s - QUARTER_S)
    by_id, p95s_ms = {}, {}
    for website, last_s in websites:
        own = stored.by_id.get(website.id, _NOTHING)
        timeout_s = website.check.request_timeout
        begun = Begun(website.id, website.created_at.timestamp(), timeout_s)
        by_id[website.id] = figures(history(begun, own, last_s, stored.as_of_s or 0), now_s)
        p95s_ms[website.id] = own.p95_ms
    return ListFigures(by_id, p95s_ms, stored.as_of_s)


def history(website: Begun, stored: WebsiteHistory, last_s: LastSlots, rolled_up_s: int) -> History:
    """What is known of a website. ``rolled_up_s``: the end of the last hour whose gaps are."""
    return History(
        position=ring_position(website.website_id),
        created_s=int(website.created_s),
        request_timeout_s=website.request_timeout_s,
        schedule=stored.schedule,
        gaps=stored.gaps,
        incidents=stored.incidents,
        last_s=last_s,
        rolled_up_s=rolled_up_s,
    )
