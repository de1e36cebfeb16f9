"""The table of `monitor sla`."""

from __future__ import annotations

import pytest

from monitor.api.responses.sla import COLUMNS
from monitor.cli.sla import table

EMPTY = dict.fromkeys(COLUMNS, "")
FIGURES = EMPTY | {
    "website_id": "0197a000-0000-7000-8000-00000000000a",
    "url": "https://a.example/",
    "name": "a.example",
    "from": "2026-01-01T00:00:00Z",
    "to": "2026-02-01T00:00:00Z",
    "availability_measured": "0.999999627",
    "availability_low": "0.5",
    "availability_high": "1.0",
    "total_downtime_s": "1",
    "not_measured_s": "90061",
    "excluded_s": "3599",
    "number_of_incidents": "1",
    "response_ms_p95": "12.5",
    "formula": "1",
}
TOTAL = FIGURES | {"website_id": "", "url": "", "name": "total"}


def _line(**fields: str) -> str:
    return list(table(iter([FIGURES | fields, TOTAL])))[1]


def test_a_second_of_downtime_is_not_100_per_cent() -> None:
    assert _line().split()[:3] == ["99.9999%", "50.0000%", "100.0000%"]


def test_seconds_are_days_and_a_clock() -> None:
    assert _line().split()[3:7] == ["00:00:01", "1d", "01:01:01", "00:59:59"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.example", "https://a.example/"),
        ("'=SUM(A1)", "=SUM(A1) (https://a.example/)"),
        ("a\x1b[2J\nb", "a\\x1b[2J\\nb (https://a.example/)"),
        ("total", "total (https://a.example/)"),
    ],
)
def test_a_website_is_shown_by_its_url_and_name(name: str, shown: str) -> None:
    assert _line(name=name).endswith(f"  {shown}")


def test_the_totals_say_of_how_many() -> None:
    *_, total, window = table(iter([FIGURES, FIGURES, TOTAL]))
    assert total.endswith("  total of 2")
    assert window == "2026-01-01T00:00:00Z to 2026-02-01T00:00:00Z, formula 1"
