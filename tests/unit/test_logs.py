"""Log lines: JSON for machines, no secrets on a terminal, no messages of tens of kB."""

import io
import json
import logging
import re

import pytest
import structlog

from monitor.runtime import logging as logs
from support.hostile_text import HOSTILE


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def configured():
    """Configures logging to a stream; all is as before when the test ends."""
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in logs._QUIET}

    def begin(stream):
        logs.configure("tests", stream=stream)
        return stream

    yield begin
    structlog.configure(**config)
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def _fail():
    password = "hunter" + "2"
    raise ValueError(f"a password of {len(password)} letters")


def test_lines_are_json_where_no_terminal_reads_them(configured):
    # given
    stream = configured(io.StringIO())
    # when
    logs.get_logger("monitor.a").info("b.happened", website_id="x\ny")
    logging.getLogger("library").warning("of %s", "old")
    # then
    ours, theirs = map(json.loads, stream.getvalue().splitlines())
    assert (ours["event"], ours["website_id"], ours["level"]) == ("b.happened", "x\ny", "info")
    assert (theirs["event"], theirs["logger"]) == ("of old", "library")
    assert {ours["process"], theirs["process"]} == {"tests"}


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_tracebacks_are_without_local_variables(configured, stream):
    # given
    stream = configured(stream())
    # when
    try:
        _fail()
    except ValueError:
        logs.get_logger("monitor.a").exception("b.failed")
    # then
    assert "a password of 7 letters" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize("name", ["dramatiq", "dramatiq.worker.WorkerThread(queue='x')"])
def test_dramatiqs_messages_are_cut_and_their_exceptions_are_not(configured, name):
    # given
    stream = configured(io.StringIO())
    # when
    try:
        _fail()
    except ValueError:
        logging.getLogger(name).exception("Failed to process message %s.", "m" * 9000)
    logging.getLogger(name).error("Failed to process message %s.", "m")
    # then
    long, short = map(json.loads, stream.getvalue().splitlines())
    assert long["event"] == f"Failed to process message {'m' * 9000}"[:300] + "..."
    assert "ValueError: a password of 7 letters" in long["exception"]
    assert short["event"] == "Failed to process message m."


def test_others_may_say_more(configured):
    stream = configured(io.StringIO())
    logging.getLogger("dramatiqish").error("m" * 9000)
    assert json.loads(stream.getvalue())["event"] == "m" * 9000


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
@pytest.mark.parametrize("evil", HOSTILE)
def test_untrusted_text_stays_on_one_line(configured, stream, evil):
    # given
    stream = configured(stream())
    # when: as a value, a name, an event of a library, and in an exception
    logs.get_logger("monitor.a").info("b.happened", evidence=evil, many=[evil], **{evil: 1})
    logging.getLogger("library").warning("Invalid request: %s", evil)
    # then
    said = stream.getvalue()
    assert said.count("\n") == 2
    assert all(_escaped(line) for line in said.split("\n"))


@pytest.mark.parametrize("evil", HOSTILE)
def test_exception_text_cannot_forge_log_lines(configured, evil):
    # given
    stream = configured(Terminal())
    # when
    try:
        raise ValueError(evil)  # noqa: TRY301
    except ValueError:
        logs.get_logger("monitor.a").exception("b.failed")
    # then
    first, *traceback = stream.getvalue().removesuffix("\n").split("\n")
    assert "b.failed" in first
    assert all(line.startswith("  | ") for line in traceback)
    assert all(_escaped(line) for line in [first, *traceback])


def _escaped(line):
    """Nothing but what is shown; the colours are the renderer's own."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line).isprintable()
