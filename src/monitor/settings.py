"""Settings: read once from the environment and `.env`, checked before anything starts.

``TABLE`` is the one list of them; the README's table and `.env.example` are tested against it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from dotenv import dotenv_values
from msgspec import Struct

from monitor.domain.errors import SettingsError

Parser = Callable[[str], Any]


class Setting(Struct, frozen=True):
    """One setting: its environment variable, how to read it, and what it is for."""

    name: str
    parse: Parser
    default: Any
    purpose: str
    secret: bool = False


def _text(value: str) -> str:
    return value


def _url(*schemes: str) -> Parser:
    def parse(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes:
            raise ValueError(f"must start with {' or '.join(s + '://' for s in schemes)}")
        return value

    return parse


def _integer(least: int, most: int) -> Parser:
    def parse(value: str) -> int:
        if not value.strip().isdecimal() or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return parse


def _one_of(*words: str) -> Parser:
    def parse(value: str) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value

    return parse


def _region(value: str) -> str:
    if not region_name_ok(value):
        raise ValueError("must be 1 to 32 of a-z, 0-9 and -, starting with a letter")
    return value


def region_name_ok(value: str) -> bool:
    """Whether this can name a region, and so a queue: lower case letters, digits, dashes."""
    plain = value.replace("-", "")
    ascii_ok = plain.isascii() and plain.isalnum() and plain == plain.lower()
    return ascii_ok and len(value) <= 32 and value[0].isalpha()


def _words(value: str) -> tuple[str, ...]:
    return tuple(w for w in (part.strip() for part in value.split(",")) if w)


def _address(value: str) -> tuple[str, int]:
    host, colon, port = value.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError("must be host:port, several of them with commas")
    return host.strip("[]"), int(port)


def _addresses(value: str) -> tuple[tuple[str, int], ...]:
    return tuple(_address(word) for word in _words(value))


TABLE: Final = (
    Setting(
        "DATABASE_URL",
        _url("postgresql", "postgres"),
        None,
        "Postgres: API, central worker, migrations; region workers only without InfluxDB",
        secret=True,
    ),
    Setting(
        "REDIS_URL",
        _url("redis", "rediss", "unix"),
        None,
        "Redis: every process",
        secret=True,
    ),
    Setting(
        "INFLUXDB_URL",
        _url("http", "https"),
        None,
        "InfluxDB 1.8, 2.x or 3 Core; without it ticks are kept in Postgres",
    ),
    Setting(
        "INFLUXDB_TOKEN",
        _text,
        None,
        "its token; for InfluxDB 1.x `user:password`",
        secret=True,
    ),
    Setting("INFLUXDB_ORG", _text, None, "its organisation (2.x)"),
    Setting("INFLUXDB_BUCKET", _text, "website_ticks", "bucket (2.x) or database (1.x, 3)"),
    Setting("SMTP_HOST", _text, None, "mail server: central worker"),
    Setting("SMTP_PORT", _integer(1, 65_535), 587, "its port"),
    Setting("SMTP_USER", _text, None, "log in as, if the server wants it"),
    Setting("SMTP_PASS", _text, None, "password of SMTP_USER", secret=True),
    Setting(
        "SMTP_TLS",
        _one_of("starttls", "tls", "none"),
        "starttls",
        "`starttls`, `tls` (from the first byte, usually port 465) or `none`",
    ),
    Setting("SMTP_FROM", _text, "monitor@localhost", "sender of the mails"),
    Setting("ALERT_EMAIL_TO", _words, (), "recipients where a website names none, with commas"),
    Setting("MONITOR_REGION", _region, None, "serve only this region's checks"),
    Setting("MONITOR_API_HOST", _text, "127.0.0.1", "address the API listens on"),
    Setting("MONITOR_API_PORT", _integer(1, 65_535), 8000, "port the API listens on"),
    Setting("MONITOR_DATA_DIR", Path, Path(".monitor"), "everything of `make up`"),
    Setting(
        "MONITOR_DNS_SERVERS",
        _words,
        (),
        "DNS servers for checks, `address` or `address:port` with commas; else the system's",
    ),
    Setting(
        "MONITOR_REFERENCES",
        _addresses,
        (),
        "host:port of servers that always answer, with commas: where none does, the region "
        "has lost its network and measures nothing",
    ),
    Setting(
        "MONITOR_CONCURRENCY",
        _integer(1, 50_000),
        2000,
        "checks under way at once in one worker process",
    ),
    Setting("MONITOR_BATCH_SIZE", _integer(1, 5000), 500, "websites in one batch, about"),
    Setting("MONITOR_RAW_DAYS", _integer(4, 3650), 30, "days that raw ticks are kept"),
    Setting("MONITOR_ROLLUP_DAYS", _integer(90, 3650), 400, "days that hourly roll-ups are kept"),
    Setting(
        "MONITOR_LOG_LEVEL", _one_of("debug", "info", "warning", "error"), "info", "least level"
    ),
)


class Settings(Struct, frozen=True, kw_only=True):
    """All settings, named as in the environment but in lower case; see ``TABLE``."""

    database_url: str | None
    redis_url: str | None
    influxdb_url: str | None
    influxdb_token: str | None
    influxdb_org: str | None
    influxdb_bucket: str
    smtp_host: str | None
    smtp_port: int
    smtp_user: str | None
    smtp_pass: str | None
    smtp_tls: str
    smtp_from: str
    alert_email_to: tuple[str, ...]
    monitor_region: str | None
    monitor_api_host: str
    monitor_api_port: int
    monitor_data_dir: Path
    monitor_dns_servers: tuple[str, ...]
    monitor_references: tuple[tuple[str, int], ...]
    monitor_concurrency: int
    monitor_batch_size: int
    monitor_raw_days: int
    monitor_rollup_days: int
    monitor_log_level: str

    def __repr__(self) -> str:
        """Without values: some are secrets."""
        return "Settings(...)"

    def need(self, name: str) -> str:
        """The value of a setting this process cannot do without.

        Raises SettingsError naming it where it is missing.
        """
        value = getattr(self, name.lower())
        if not value:
            purpose = next(s.purpose for s in TABLE if s.name == name)
            raise SettingsError(f"{name} is not set ({purpose}); set it or put it in .env.")
        return str(value)


def load(environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")) -> Settings:
    """Read all settings; the environment wins over ``env_file``. An empty value counts as unset.

    Raises SettingsError, one sentence naming the setting, where a value is malformed.
    """
    found = {k: v for k, v in dotenv_values(env_file).items() if v} if env_file.is_file() else {}
    found |= {k: v for k, v in (os.environ if environ is None else environ).items() if v}
    return Settings(**{s.name.lower(): _read(s, found.get(s.name)) for s in TABLE})


def _read(setting: Setting, raw: str | None) -> Any:
    if raw is None:
        return setting.default
    try:
        return setting.parse(raw)
    except ValueError as error:
        shown = "" if setting.secret else f" (it is {raw!r})"
        raise SettingsError(f"{setting.name} {error}{shown}.") from None
