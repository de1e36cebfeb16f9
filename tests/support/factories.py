"""Test data: valid and ordinary in all but what a test names.

The one place of the tests that knows how check options, outcomes, ticks, flips and messages are
built, and how a website is stored without the API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from monitor.domain.incident import DownVerdict
from monitor.domain.messages import CheckBatch, CheckWebsites
from monitor.domain.outcome import Outcome, Reason, Result, Tick, Timings
from monitor.domain.ring import POSITIONS
from monitor.domain.verdict import Flip, RegionState, Verdict
from monitor.resources.check_options import CheckOptions
from monitor.resources.formats import default_name
from monitor.resources.website import Definition
from monitor.storage.redis.states import StateChange

START_S = 1_790_000_000
"""When it is, where a test says nothing else: Unix seconds."""

SHOP = UUID("0197a000-0000-7000-8000-00000000000a")
BLOG = UUID("0197a000-0000-7000-8000-00000000000b")


def check_options(url: str = "http://example.com/", **options: Any) -> CheckOptions:
    return CheckOptions(url=url, **options)


def definition(
    url: str = "http://example.com/", *, regions: tuple[str, ...] | None = None, **options: Any
) -> Definition:
    """What region workers know of a website."""
    return Definition(check_options(url, **options), regions)


def website_body(**fields: Any) -> dict[str, Any]:
    """What a caller of the API sends for a new website."""
    return {"url": "https://example.com/"} | fields


def website_bodies(count: int, first: int = 0, **fields: Any) -> list[dict[str, Any]]:
    """So many, each with a URL and an external_id of its own."""
    return [
        website_body(url=f"https://a.example/{n}", external_id=str(n)) | fields
        for n in range(first, first + count)
    ]


def outcome_up(**fields: Any) -> Outcome:
    return Outcome(Result.UP, **{"status_code": 200, "response_ms": 10.0} | fields)


def outcome_down(reason: Reason = Reason.CONNECTION_REFUSED, **fields: Any) -> Outcome:
    return Outcome(Result.DOWN, reason, **fields)


def outcome_503() -> Outcome:
    return outcome_down(Reason.HTTP_STATUS, status_code=503, evidence="HTTP 503")


def tick(
    slot_s: int,
    response_ms: float | None = 1.0,
    *,
    website: UUID = SHOP,
    region: str = "europe",
    reason: Reason | None = None,
    **fields: Any,
) -> Tick:
    """Up with status 200; with a reason down, and with the status 503 if that is the reason."""
    status = {None: 200, Reason.HTTP_STATUS: 503}.get(reason, 0)
    usual = {"up": reason is None, "status_code": status, "timings": Timings()}
    return Tick(website, region, slot_s, reason=reason, response_ms=response_ms, **usual | fields)


def flip_down(
    website: UUID = SHOP, at_s: int = START_S, *, region: str = "europe", **fields: Any
) -> Flip:
    """Down since ``at_s`` with status 503, confirmed after 15 s."""
    usual = {"slot_s": at_s + 15, "reason": Reason.HTTP_STATUS, "status_code": 503}
    usual |= {"evidence": "HTTP 503"}
    return Flip(website, region, Verdict.DOWN, at_s, **usual | fields)


def flip_up(
    website: UUID = SHOP, at_s: int = START_S + 60, *, region: str = "europe", **fields: Any
) -> Flip:
    return Flip(website, region, Verdict.UP, at_s, **{"slot_s": at_s} | fields)


def down_verdict(region: str = "europe", at_s: int = 100) -> DownVerdict:
    return DownVerdict(region, at_s, Reason.HTTP_STATUS, 503)


def state_change(
    website: UUID = SHOP,
    verdict: Verdict = Verdict.UP,
    *,
    slot_s: int = 5,
    before_s: int = 0,
    flip: Flip | None = None,
    **fields: Any,
) -> StateChange:
    """A region comes to hold a verdict, ``before_s`` being the slot of the one before."""
    state = RegionState(slot_s=slot_s, verdict=verdict, **fields)
    return StateChange(website, before_s, state, flip)


def batch_message(**fields: Any) -> CheckBatch:
    """Check all of Europe's websites of three minutes for the slot at START_S."""
    usual = {"region": "europe", "interval_s": 180, "lo": 0, "hi": POSITIONS}
    return CheckBatch(**usual | {"slot_ms": START_S * 1000} | fields)


def recheck_message(website_ids: Sequence[UUID] = (), **fields: Any) -> CheckWebsites:
    """Check these websites in Europe for the slot at START_S."""
    usual = {"region": "europe", "slot_ms": START_S * 1000}
    return CheckWebsites(website_ids=list(website_ids), **usual | fields)


async def insert_websites(
    connection: Any,
    urls: Mapping[UUID, str],
    *,
    check_frequency: int = 180,
    all_regions: bool = True,
    alert_emails: Sequence[str] = (),
) -> None:
    """Websites in the database by their ids, without a change row: nothing is told of them."""
    await connection.execute(
        """
        INSERT INTO websites
               (id, url, name, all_regions, check_frequency, options, alert_emails)
        SELECT id, url, name, %s, %s, '{"kind": "http"}', %s
          FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS new (id, url, name)
        """,
        [
            all_regions,
            check_frequency,
            list(alert_emails),
            list(urls),
            list(urls.values()),
            [default_name(url) for url in urls.values()],
        ],
    )
    for table in ("website_figures", "website_latencies"):
        await connection.execute(
            f"INSERT INTO {table} (website_id) SELECT unnest(%s::uuid[])",
            [list(urls)],
        )


def numbered_urls(count: int, start: str = "http://example.com/") -> dict[UUID, str]:
    """So many websites for ``insert_websites``."""
    return {UUID(int=n): f"{start}{n}" for n in range(1, count + 1)}
