"""What is secret never shows: not in messages, not in a repr, not in a log line."""

import io
import logging
import traceback
from pathlib import Path

import pytest
import structlog

from monitor.domain.errors import SettingsError
from monitor.runtime import logging as logs
from monitor.runtime.settings import load

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
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)
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


def test_a_secret_may_be_in_a_file_that_is_named(tmp_path):
    # given
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    given = {"INFLUXDB_URL": "http://influx", "INFLUXDB_TOKEN_FILE": str(file)}
    # then
    assert load(given, NO_FILE).influxdb_token == "s3cret"
    assert load(given | {"INFLUXDB_TOKEN": ""}, NO_FILE).influxdb_token == "s3cret"


def test_what_is_no_secret_is_in_no_file(tmp_path):
    assert load({"MONITOR_REGION_FILE": str(tmp_path / "region")}, NO_FILE).monitor_region is None


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_named_and_nothing_of_it_shown(tmp_path, content):
    # given
    file = tmp_path / "password"
    if content:
        file.write_bytes(content)
    # when
    with pytest.raises(SettingsError) as caught:
        load({"REDIS_URL_FILE": str(file)}, NO_FILE)
    # then
    assert str(caught.value).startswith(f"REDIS_URL_FILE names {file}, which cannot be read: ")


def test_a_malformed_secret_from_a_file_is_not_quoted_either(tmp_path):
    # given
    file = tmp_path / "url"
    file.write_text("mysql://user:hunter2@host/db")
    # when
    with pytest.raises(SettingsError) as caught:
        load({"DATABASE_URL_FILE": str(file)}, NO_FILE)
    # then
    assert str(caught.value).startswith("DATABASE_URL must ")
    assert "hunter2" not in str(caught.value)


def test_a_secret_that_is_given_twice_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="REDIS_URL and REDIS_URL_FILE are both set"):
        load({"REDIS_URL": "redis://r/0", "REDIS_URL_FILE": str(tmp_path / "x")}, NO_FILE)
