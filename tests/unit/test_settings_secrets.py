"""What is secret never shows: not in messages, not in a repr, not in a log line."""

import io
import logging
import traceback
from pathlib import Path

import pytest
import structlog

from monitor import logs
from monitor.domain.errors import SettingsError
from monitor.settings import load

NO_FILE = Path("/nonexistent/.env")
SECRETS = {
    "DATABASE_URL": "postgresql://u:hunter2@host/db",
    "REDIS_URL": "redis://:hunter2@host/0",
    "INFLUXDB_URL": "http://host:8086",
    "INFLUXDB_TOKEN": "hunter2",
    "SMTP_HOST": "host",
    "SMTP_USER": "u",
    "SMTP_PASS": "hunter2",
    "MONITOR_API_KEY": "hunter2",
}


def test_a_repr_and_a_text_show_nothing():
    # given
    settings = load(SECRETS, NO_FILE)
    # then
    assert "hunter2" not in f"{settings!r} {settings} {[settings]}"


@pytest.fixture
def logging_restored():
    """Logging is the process's: whoever sets it up in a test puts it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_log_line_shows_nothing(logging_restored):
    # given
    out = io.StringIO()
    logs.configure("test", stream=out)
    # when
    logs.get_logger("test").warning("settings.shown", settings=load(SECRETS, NO_FILE))
    # then
    assert "settings.shown" in out.getvalue()
    assert "hunter2" not in out.getvalue()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgres//u:hunter2@host"),
        ("DATABASE_URL", "postgresql://u:hunter2/x@host/db"),
        ("DATABASE_URL", "postgresql://u:hunter2[@host/db"),
        ("REDIS_URL", "http://:hunter2@host"),
        ("INFLUXDB_URL", "http://u:hunter2@host"),
    ],
)
def test_a_malformed_secret_is_not_quoted(name, value):
    # when
    with pytest.raises(SettingsError) as caught:
        load({name: value}, NO_FILE)
    # then
    assert name in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value, chain=True))
