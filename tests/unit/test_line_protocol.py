"""Lines say what the ticks say, whatever the text in them."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from monitor.domain.histogram import Histogram
from monitor.domain.outcome import Reason, Tick, Timings
from monitor.domain.rollup import Gap, Rollup
from monitor.storage.timeseries.influxql import rollup_of, tick_of
from monitor.storage.timeseries.line_protocol import (
    encode_day,
    encode_histogram,
    encode_hour,
    encode_ticks,
    string_field,
    tag_value,
)
from support.line_protocol import parse

WEBSITE = UUID("0197a000-0000-7000-8000-00000000000a")

tags = st.text(st.characters(min_codepoint=32, exclude_characters="\\", exclude_categories=["Cs"]))
milliseconds = st.just(0.0) | st.floats(0, 3_600_000)
ticks = st.builds(
    Tick,
    website_id=st.uuids(),
    region=tags.filter(bool),
    slot_s=st.integers(0, 2**33),
    up=st.booleans(),
    reason=st.none() | st.sampled_from(Reason),
    status_code=st.integers(0, 999),
    response_ms=st.none() | milliseconds,
    timings=st.builds(Timings, *[milliseconds] * 5, st.booleans()),
    out_of_turn=st.booleans(),
)
PHASES = [name for name in Timings.__struct_fields__ if name.endswith("_ms")]
_COLUMNS = ("reason", "response_ms", *Timings.__struct_fields__)


def _rest_ms(tick):
    """What the phases before it leave for the transfer."""
    before_ms = tick.timings.total_ms - tick.timings.transfer_ms
    return 0.0 if tick.response_ms is None else tick.response_ms - before_ms


@given(ticks)
def test_a_line_round_trips_a_tick(tick):
    # when
    [encoded] = encode_ticks([tick])
    measurement, tags, fields, time = parse(encoded.decode())
    # then
    assert measurement == "website_ticks"
    assert tags == {"region": tick.region, "website_id": str(tick.website_id)}
    assert time == tick.slot_s
    durations = {
        "response_ms": tick.response_ms,
        # what did not happen is not written
        **{name: getattr(tick.timings, name) or None for name in PHASES},
    }
    if abs(tick.timings.transfer_ms - _rest_ms(tick)) < 0.0005:
        del durations["transfer_ms"]  # nor what is left of the response time
    elif tick.response_ms is not None:
        durations["transfer_ms"] = tick.timings.transfer_ms
    assert fields == {
        "up": int(tick.up),
        "status_code": tick.status_code,
        **{n: pytest.approx(ms, abs=0.00051) for n, ms in durations.items() if ms is not None},
        **({"reason": tick.reason.value} if tick.reason and not tick.up else {}),
        # what every check in turn would have is not written either
        **({"out_of_turn": 1} if tick.out_of_turn else {}),
        **({"dns_shared": 1} if tick.timings.dns_shared else {}),
    }
    assert isinstance(fields["up"], int)
    assert all(isinstance(fields[n], float) for n, ms in durations.items() if ms is not None)


@given(st.builds(Timings, *[milliseconds] * 5, st.booleans()), st.booleans())
def test_omitted_phases_are_restored(timings, answered):
    # given an outcome's: its response time is the sum of its phases
    response_ms = timings.total_ms if answered else None
    tick = Tick(WEBSITE, "europe", 7, True, None, 200, response_ms, timings)
    # when
    fields = parse(encode_ticks([tick])[0].decode())[2]
    found = tick_of(WEBSITE, dict.fromkeys(_COLUMNS) | fields | {"region": "europe", "time": 7})
    # then
    assert found.timings.dns_shared is timings.dns_shared
    if answered:
        assert "transfer_ms" not in fields
    for name in PHASES:
        written = pytest.approx(getattr(timings, name), abs=0.003)
        assert getattr(found.timings, name) == written, name


def test_phases_of_two_writes_of_a_slot_give_no_negative_transfer():
    # given a look-up that the second of them had no need of
    row = dict.fromkeys(_COLUMNS) | {"region": "europe", "time": 7, "up": 1, "status_code": 200}
    row |= {"response_ms": 4.0, "dns_ms": 30.0, "connect_ms": 1.0, "wait_ms": 2.0}
    # then
    assert tick_of(WEBSITE, row).timings.transfer_ms == 0.0


@given(ticks)
def test_a_tick_is_one_line(tick):
    [encoded] = encode_ticks([tick])
    assert b"\n" not in encoded
    assert isinstance(encoded, bytes)


@given(st.lists(ticks, max_size=5))
def test_lines_come_in_the_order_of_the_ticks(many):
    assert [parse(line.decode())[3] for line in encode_ticks(many)] == [t.slot_s for t in many]


@pytest.mark.parametrize("text", ["", "a\nb", "a\x00", "a\\", "a\\b", "\t"])
def test_invalid_tag_values_are_refused(text):
    with pytest.raises(ValueError, match="cannot be the value of a tag"):
        tag_value(text)


strings = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))


@given(tags.filter(bool), strings)
def test_any_text_round_trips(tag, string):
    # when
    line = f"m,t={tag_value(tag)} s={string_field(string)},after=1i 7"
    # then
    assert parse(line) == ("m", {"t": tag}, {"s": string, "after": 1}, 7)


def test_an_escaped_tag_reads_as_documented():
    assert tag_value("a b,c=d") == r"a\ b\,c\=d"


HOUR = 1_795_467_600
ANSWERED = Rollup("europe", HOUR, 20, 18, 2, 19, 2, 3.75, 2.25, Histogram.of([1.5, 2.25]))
REFUSED = Rollup("europe", HOUR, 20, 0, 0, None, 0, 0.0, None, Histogram())


def _fields_of(line, measurement):
    """The fields of a roll-up's line, which has these tags and this time."""
    name, tags, fields, time = parse(line.decode())
    assert (name, time) == (measurement, HOUR)
    assert tags == {"region": "europe", "website_id": str(WEBSITE)}
    return fields


def test_an_hour_has_the_fields_of_its_roll_up():
    fields = _fields_of(encode_hour(WEBSITE, ANSWERED), "website_ticks_hourly")
    durations = {"mean_ms": 1.875, "max_ms": 2.25}
    counts = {"checks": 20, "up": 18, "measured": 2, "out_of_turn": 2, "expected": 19}
    assert fields == counts | durations


def test_an_hour_without_response_times_has_no_durations():
    fields = _fields_of(encode_hour(WEBSITE, REFUSED), "website_ticks_hourly")
    assert fields == {"checks": 20, "up": 0, "measured": 0}
    assert encode_histogram(WEBSITE, REFUSED) is None


@pytest.mark.parametrize("rollup", [ANSWERED, REFUSED])
@pytest.mark.parametrize("gaps", [(), (Gap(HOUR + 100, HOUR + 280), Gap(HOUR + 460, HOUR + 3700))])
def test_a_day_round_trips(rollup, gaps):
    # given
    day = structs.replace(rollup, gaps=gaps)
    # when
    fields = _fields_of(encode_day(WEBSITE, day), "website_ticks_daily")
    # then
    row = {"region": "europe", "time": HOUR, **fields}
    assert rollup_of(row, fields.get("histogram")) == day


def test_gaps_and_histograms_of_other_checks_are_not_taken_for_those_of_a_point():
    # given: a point that was written again, after late ticks, without fields that it had
    day = structs.replace(ANSWERED, gaps=(Gap(HOUR, HOUR + 180),))
    before = _fields_of(encode_day(WEBSITE, day), "website_ticks_daily")
    # when
    row = {"region": "europe", "time": HOUR, **before, "checks": 21, "measured": 3}
    found = rollup_of(row, before["histogram"])
    # then
    assert (found.gaps, found.histogram) == ((), None)
