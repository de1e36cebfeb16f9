"""What lists show with `include=uptime`, and as of when."""

from __future__ import annotations

import datetime as dt
from typing import Any

from msgspec import UNSET, UnsetType, structs

from monitor.api.responses.times import from_unix
from monitor.resources.website_list import BY_FIGURES, Sort
from monitor.services.websites.latest import Page, View


def fields(page: Page, view: View) -> dict[str, Any]:
    """The figures of a website on a page; none if they were not asked for."""
    if page.figures is None:
        return {}
    website_id = view.stored.website.id
    own = structs.asdict(page.figures.by_id[website_id])
    rounded = {n: round(v, 6) if isinstance(v, float) else v for n, v in own.items()}
    p95_ms = page.figures.p95_24h_ms.get(website_id)
    return rounded | {"p95_24h_ms": None if p95_ms is None else round(p95_ms, 3)}


def figures_at(page: Page, sort: Sort | None) -> dt.datetime | UnsetType | None:
    """The end of the last hour in the figures that the page shows or is sorted by."""
    if page.figures is None and sort not in BY_FIGURES:
        return UNSET
    return None if page.figures_at_s is None else from_unix(page.figures_at_s)
