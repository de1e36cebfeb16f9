"""Responses about websites."""

from __future__ import annotations

from typing import Any

from monitor.api.responses import figures
from monitor.api.schemas import website as schemas
from monitor.resources.website import draft_of, shown
from monitor.resources.website_list import Sort
from monitor.resources.write_plan import Existing
from monitor.services.websites.latest import Page, View


def website(view: View) -> schemas.Website:
    """A website with its options and status."""
    stored = view.stored.website
    return (
        {"id": stored.id}
        | shown(draft_of(stored))
        | {
            "regions": list(view.stored.regions),
            "status": view.status,
            "created_at": stored.created_at,
            "updated_at": stored.updated_at,
        }
    )


def website_page(page: Page, sort: Sort | None) -> schemas.WebsitePage:
    """A page of websites."""
    rows = [website(view) | figures.fields(page, view) for view in page.views]
    return schemas.WebsitePage(rows, page.next_cursor, figures.figures_at(page, sort))


def exported(existing: Existing) -> dict[str, Any]:
    """A website in the form that POST accepts, with its id."""
    return {"id": existing.id} | shown(existing.draft)
