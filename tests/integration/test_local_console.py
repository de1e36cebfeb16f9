"""The foreground shows warnings, errors and incidents in a few words, and nothing else."""

import io
import json

import pytest

from monitor.local.console import Console, summary
from support.hostile_text import HOSTILE


def line(**fields):
    return json.dumps({"logger": "x", "process": "p", "timestamp": "t"} | fields).encode()


@pytest.mark.parametrize(
    "quiet",
    [
        line(event="batch.checked", level="info"),
        line(event="incident_like", level="debug"),
        b"Traceback (most recent call last):",
        b'"a string"',
        b"[1, 2]",
        b"\xff\xfe",
        b"",
    ],
)
def test_routine_events_are_not_shown(quiet):
    assert summary(quiet) is None


def test_incidents_are_shown_with_their_details():
    assert (
        summary(line(event="incident.opened", level="info", website_id="w"))
        == "incident.opened website_id=w"
    )


def test_warnings_are_shown_and_a_traceback_is_not():
    # when
    text = summary(line(event="region.offline", level="warning", exception="Traceback\n  File"))
    # then
    assert text == "warning: region.offline (more in its log)"


def test_output_is_one_bounded_printable_line():
    # when
    text = summary(line(event="e", level="error", evil="\x1b[2J\n" + "x" * 9999))
    # then
    assert text.isprintable()
    assert len(text) <= 300


@pytest.mark.parametrize("evil", HOSTILE)
def test_output_is_one_line_without_control_characters(evil):
    # given
    out = io.StringIO()
    # when
    Console(out).say("demo", f"before {evil} after")
    Console(out).show_log("api", line(event="e", level="error", **{evil: evil}))
    # then
    said = out.getvalue()
    assert said.count("\n") == 2
    assert all(text.isprintable() for text in said.splitlines())


def test_a_closed_output_does_not_end_the_stack():
    # given
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    # then
    Console(Gone()).say("api", "hello")
