"""Settings: read once from the environment and `.env`, checked before anything starts.

``TABLE`` is the one list of them; the README's table and `.env.example` are tested against it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values
from msgspec import Struct

from monitor.domain.errors import SettingsError
from monitor.runtime import settings_parsers as read
from monitor.runtime.settings_parsers import Network, Parser, region_name_ok

__all__ = ["TABLE", "Setting", "Settings", "load", "raw_values", "region_name_ok"]


class Setting(Struct, frozen=True):
    """One setting: its environment variable, how to read it, and what it is for."""

    name: str
    parse: Parser
    default: Any
    purpose: str
    secret: bool = False


TABLE: Final = (
    Setting(
        "DATABASE_URL",
        read.postgres_url,
        None,
        "Postgres: API, central worker, migrations; region workers only without InfluxDB",
        secret=True,
    ),
    Setting(
        "REDIS_URL",
        read.url("redis", "rediss", "unix"),
        None,
        "Redis: every process",
        secret=True,
    ),
    Setting(
        "INFLUXDB_URL",
        read.plain_url("http", "https"),
        None,
        "InfluxDB 1.8, 2.x or 3 Core; without it ticks are kept in Postgres",
    ),
    Setting(
        "INFLUXDB_TOKEN",
        read.text,
        None,
        "its token; for InfluxDB 1.x `user:password`",
        secret=True,
    ),
    Setting("INFLUXDB_ORG", read.text, None, "its organisation (2.x)"),
    Setting("INFLUXDB_BUCKET", read.text, "website_ticks", "bucket (2.x) or database (1.x, 3)"),
    Setting("SMTP_HOST", read.text, None, "mail server: central worker"),
    Setting("SMTP_PORT", read.integer(1, 65_535), 587, "its port"),
    Setting("SMTP_USER", read.text, None, "log in as, if the server wants it"),
    Setting("SMTP_PASS", read.text, None, "password of SMTP_USER", secret=True),
    Setting(
        "SMTP_TLS",
        read.one_of("starttls", "tls", "none"),
        "starttls",
        "`starttls`, `tls` (from the first byte, usually port 465) or `none`",
    ),
    Setting("SMTP_FROM", read.mail_address, "monitor@localhost", "sender of the mails"),
    Setting(
        "ALERT_EMAIL_TO",
        read.mail_addresses,
        (),
        "recipients where a website names none, with commas",
    ),
    Setting(
        "MONITOR_ENCRYPTION_KEYS",
        read.fernet_keys,
        (),
        "encrypts request headers and bodies at rest: API and region workers; the first key "
        "encrypts, all decrypt, with commas; `monitor secrets key` makes one",
        secret=True,
    ),
    Setting("MONITOR_REGION", read.region, None, "serve only this region's checks"),
    Setting("MONITOR_API_HOST", read.text, "127.0.0.1", "address the API listens on"),
    Setting("MONITOR_API_PORT", read.integer(1, 65_535), 8000, "port the API listens on"),
    Setting(
        "MONITOR_CORS_ORIGINS",
        read.origins,
        (),
        "origins whose pages may ask the API, like `https://status.example.com`, with commas",
    ),
    Setting(
        "MONITOR_KEY_REQUESTS_PER_MINUTE",
        read.integer(0, 10_000_000),
        6000,
        "requests that one API key may make, counted over all API processes; 0: any number",
    ),
    Setting(
        "MONITOR_WRONG_KEYS_PER_MINUTE",
        read.integer(0, 1_000_000),
        30,
        "wrong API keys that one address may try at one API process; 0: any number",
    ),
    Setting(
        "MONITOR_METRICS_PORT",
        read.integer(1, 65_472),
        None,
        "worker and scheduler processes serve /metrics, each on the first free port from this one "
        "on, of 64; unset: none do (the API always does, on its own port)",
    ),
    Setting("MONITOR_METRICS_HOST", read.text, "127.0.0.1", "address they serve it on"),
    Setting(
        "MONITOR_URL",
        read.plain_url("http", "https"),
        None,
        "where `monitor import` and `monitor export` find the API",
    ),
    Setting("MONITOR_API_KEY", read.text, None, "the API key they send", secret=True),
    Setting("MONITOR_DATA_DIR", Path, Path(".monitor"), "everything of `make up`"),
    Setting(
        "MONITOR_DNS_SERVERS",
        read.dns_servers,
        (),
        "DNS servers for checks, `address` or `address:port` with commas; else the system's",
    ),
    Setting(
        "MONITOR_REFERENCES",
        read.addresses,
        (),
        "host:port of servers that always answer, with commas: where none does, the region "
        "has lost its network and measures nothing",
    ),
    Setting(
        "MONITOR_ALLOW_NETWORKS",
        read.networks,
        (),
        "private networks that may be checked all the same, like `10.0.0.0/8`, with commas",
    ),
    Setting(
        "MONITOR_CONCURRENCY",
        read.integer(1, 50_000),
        2000,
        "checks under way at once in one worker process",
    ),
    Setting("MONITOR_BATCH_SIZE", read.integer(1, 5000), 500, "websites in one batch, about"),
    Setting("MONITOR_RAW_DAYS", read.integer(4, 3650), 30, "days that raw ticks are kept"),
    Setting(
        "MONITOR_ROLLUP_DAYS", read.integer(90, 3650), 400, "days that hourly roll-ups are kept"
    ),
    Setting("MONITOR_AUDIT_DAYS", read.integer(1, 36_500), 400, "days that the audit log is kept"),
    Setting(
        "MONITOR_TICK_BUFFER_BYTES",
        read.integer(0, 2**40),
        64 * 2**20,
        "bytes of Redis for ticks that the tick store would not take; the oldest go first",
    ),
    Setting(
        "MONITOR_LOG_LEVEL", read.one_of("debug", "info", "warning", "error"), "info", "least level"
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
    monitor_encryption_keys: tuple[str, ...]
    monitor_region: str | None
    monitor_api_host: str
    monitor_api_port: int
    monitor_cors_origins: tuple[str, ...]
    monitor_key_requests_per_minute: int
    monitor_wrong_keys_per_minute: int
    monitor_metrics_port: int | None
    monitor_metrics_host: str
    monitor_url: str | None
    monitor_api_key: str | None
    monitor_data_dir: Path
    monitor_dns_servers: tuple[str, ...]
    monitor_references: tuple[tuple[str, int], ...]
    monitor_allow_networks: tuple[Network, ...]
    monitor_concurrency: int
    monitor_batch_size: int
    monitor_raw_days: int
    monitor_rollup_days: int
    monitor_audit_days: int
    monitor_tick_buffer_bytes: int
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
    """Read and check all settings; see ``raw_values``.

    Raises SettingsError, one sentence naming the setting, where a value is malformed or
    contradicts another, or ``env_file`` cannot be read.
    """
    found = raw_values(environ, env_file)
    settings = Settings(**{s.name.lower(): _read(s, found.get(s.name)) for s in TABLE})
    _check_together(settings)
    return settings


def raw_values(
    environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")
) -> dict[str, str]:
    """The settings that are set, as text by name. The environment wins over ``env_file``.

    An empty value counts as unset; one in the environment hides what ``env_file`` says. A secret
    may stand in a file that NAME_FILE names, as containers are given theirs. Raises SettingsError
    where that cannot be read.
    """
    found = _read_file(env_file) | dict(os.environ if environ is None else environ)
    return {s.name: value for s in TABLE if (value := _given(s, found))}


def _given(setting: Setting, found: Mapping[str, str | None]) -> str | None:
    name, value = f"{setting.name}_FILE", found.get(setting.name)
    path = found.get(name) if setting.secret else None
    if not path:
        return value
    if value:
        raise SettingsError(f"{setting.name} and {name} are both set: set one of them.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise SettingsError(f"{name} names {path}, which cannot be read: {why}.") from None


def _read_file(path: Path) -> dict[str, str | None]:
    """The variables of a `.env`; none where there is no such file. ``$`` means itself."""
    try:
        with path.open(encoding="utf-8") as file:
            return dict(dotenv_values(stream=file, interpolate=False))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from None


def _read(setting: Setting, raw: str | None) -> Any:
    if raw is None:
        return setting.default
    try:
        return setting.parse(raw)
    except ValueError as error:
        # "a user or password" is refused in a URL: then it must not be shown either.
        shown = "" if setting.secret or "@" in raw else f" (it is {raw!r})"
        raise SettingsError(f"{setting.name} {error}{shown}.") from None


def _check_together(settings: Settings) -> None:
    if settings.smtp_user and not settings.smtp_pass:
        raise SettingsError("SMTP_USER is set without SMTP_PASS: set both or neither.")
    if settings.smtp_pass and not settings.smtp_user:
        raise SettingsError("SMTP_PASS is set without SMTP_USER: set both or neither.")
    if settings.smtp_user and not settings.smtp_host:
        raise SettingsError("SMTP_USER is set without SMTP_HOST, the mail server to log in to.")
    if settings.influxdb_token and not settings.influxdb_url:
        raise SettingsError("INFLUXDB_TOKEN is set without INFLUXDB_URL, the server it is for.")
