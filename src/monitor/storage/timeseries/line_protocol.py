"""Ticks and roll-ups as lines of InfluxDB's line protocol. Pure.

A line is ``measurement,tag=value field=value,field=value time``: tags sorted by name, integers
end in ``i``, strings are in double quotes, and times are Unix seconds. See "Line protocol
reference" in InfluxDB's documentation; 1.x, 2.x and 3 agree on it.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from monitor.domain.histogram import encode_varints
from monitor.domain.outcome import Tick
from monitor.domain.rollup import Rollup, encode_gaps

TICKS = "website_ticks"
HISTOGRAMS = "website_ticks_histograms"
HOURS = "website_ticks_hourly"
DAYS = "website_ticks_daily"

_ROUNDED_MS = 0.0005
_ESCAPED_IN_TAGS = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_ESCAPED_IN_STRINGS = str.maketrans({'"': '\\"', "\\": "\\\\"})


@lru_cache(1024)
def tag_value(text: str) -> str:
    """Text as the value of a tag.

    Raises ValueError for text that a tag cannot hold: an empty string, control characters (a
    newline ends the line), and backslashes, which the versions of InfluxDB interpret differently.
    """
    if not text or "\\" in text or any(c < " " for c in text):
        raise ValueError(f"{text!r} cannot be the value of a tag")
    return text.translate(_ESCAPED_IN_TAGS)


def string_field(text: str) -> str:
    """Text as the value of a string field, quotes included."""
    return f'"{text.translate(_ESCAPED_IN_STRINGS)}"'


def encode_ticks(ticks: Sequence[Tick]) -> list[bytes]:
    """One line per tick, without the newline.

    Durations are in milliseconds with three decimals. Redundant fields are omitted, as each costs
    the server as much as any other: ``response_ms`` without a response, ``reason`` when up, phases
    that did not happen, ``dns_shared`` where no answer was, ``transfer_ms`` where it is
    ``response_ms`` minus the other phases, ``out_of_turn`` where a slot is filled, and ``address``
    and ``began_ms`` where there is none.
    """
    regions = {name: tag_value(name) for name in {t.region for t in ticks}}
    return [_tick(t, regions[t.region]).encode() for t in ticks]


def _tick(tick: Tick, region: str) -> str:
    t = tick.timings
    line = (
        f"{TICKS},region={region},website_id={tick.website_id} "
        f"up={tick.up:d}i,status_code={tick.status_code:d}i"
    )
    if t.dns_ms:
        line += f",dns_ms={t.dns_ms:.3f}"
    if t.dns_shared:
        line += ",dns_shared=1i"
    if t.connect_ms:
        line += f",connect_ms={t.connect_ms:.3f}"
    if t.tls_ms:
        line += f",tls_ms={t.tls_ms:.3f}"
    if t.wait_ms:
        line += f",wait_ms={t.wait_ms:.3f}"
    rest_ms = 0.0
    if tick.response_ms is not None:
        line += f",response_ms={tick.response_ms:.3f}"
        rest_ms = tick.response_ms - t.dns_ms - t.connect_ms - t.tls_ms - t.wait_ms
    if not -_ROUNDED_MS < t.transfer_ms - rest_ms < _ROUNDED_MS:
        line += f",transfer_ms={t.transfer_ms:.3f}"
    return f"{line}{_rare_fields(tick)} {tick.slot_s:d}"


def _rare_fields(tick: Tick) -> str:
    """What the tick of an ordinary check does not have."""
    fields = ""
    if not tick.up:
        if tick.reason is not None:
            fields += f",reason={string_field(tick.reason)}"
        if tick.address:
            fields += f",address={string_field(tick.address)}"
    if tick.out_of_turn:
        fields += ",out_of_turn=1i"
    if tick.began_at_s is not None:
        fields += f",began_ms={tick.began_at_s * 1000:.0f}i"
    return fields


def encode_hour(website_id: UUID, r: Rollup) -> bytes:
    """The line of one hour of a website and region; its time is the start of the hour."""
    line = _rollup(HOURS, website_id, r)
    if r.measured:
        line += f",mean_ms={r.total_ms / r.measured:.3f}"
    if r.max_ms is not None:
        line += f",max_ms={r.max_ms:.3f}"
    return f"{line} {r.start_s:d}".encode()


def encode_histogram(website_id: UUID, r: Rollup) -> bytes | None:
    """The line of an hour's histogram; None where nothing was measured."""
    if r.histogram is None or not r.measured:
        return None
    tags = f"{HISTOGRAMS},region={tag_value(r.region)},website_id={website_id}"
    return f'{tags} histogram="{_base64(r.histogram.encode())}" {r.start_s:d}'.encode()


def encode_day(website_id: UUID, r: Rollup) -> bytes:
    """The line of one day of a website and region; its time is the start of the day.

    ``max_ms`` and the histogram are absent without response times, the latter also where it is not
    known.
    """
    line = f"{_rollup(DAYS, website_id, r)},total_ms={r.total_ms:.3f}"
    if r.max_ms is not None:
        line += f",max_ms={r.max_ms:.3f}"
    if r.histogram is not None and r.measured:
        line += f',histogram="{_base64(r.histogram.encode())}"'
    return f"{line} {r.start_s:d}".encode()


def _rollup(measurement: str, website_id: UUID, r: Rollup) -> str:
    """The fields that hours and days share. ``expected`` is absent where it is not known.

    A point that is written again keeps the fields that it is not written with. So the gaps, absent
    where there are none, begin with the number of checks that they belong to.
    """
    line = (
        f"{measurement},region={tag_value(r.region)},website_id={website_id} "
        f"checks={r.checks:d}i,up={r.up:d}i,measured={r.measured:d}i"
    )
    if r.out_of_turn:
        line += f",out_of_turn={r.out_of_turn:d}i"
    if r.expected is not None:
        line += f",expected={r.expected:d}i"
    if r.gaps:
        gaps = encode_varints([r.checks]) + encode_gaps(r.gaps, r.start_s)
        line += f',gaps="{_base64(gaps)}"'
    return line


def _base64(encoded: bytes) -> str:
    return b2a_base64(encoded, newline=False).decode()
