"""Settings: read once from the environment and `.env`, checked before anything starts.

``Settings`` declares each of them once. ``TABLE`` is made from it, and `.env.example`, the settings
page of the documentation and `monitor settings` are made from ``TABLE`` (``settings_text.py``).
"""

from __future__ import annotations

import logging
import os
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

from dotenv import dotenv_values
from msgspec import Struct
from msgspec.structs import fields

from monitor.domain.errors import SettingsError
from monitor.resources import mail_address
from monitor.resources.mail_address import InvalidAddress, MailAddress
from monitor.runtime import settings_parsers as parsers
from monitor.runtime.setting import Declared, Setting
from monitor.runtime.settings_parsers import Network, region_name_ok

__all__ = ["TABLE", "Setting", "Settings", "load", "raw_values", "region_name_ok"]

log = logging.getLogger(__name__)
"""Not structlog: before logs are set up, its lines would go to standard output."""


_STORES = "Stores"
_MAIL = "E-mail"
_SECRETS = "Secrets"
_API = "API"
_PEOPLE = "People"
_CHECKS = "Checks"
_RETENTION = "Retention"
_METRICS = "Logs and metrics"
_LOCAL = "Command line and local stack"


class Settings(Struct, frozen=True, kw_only=True):
    """All settings, named as in the environment but in lower case."""

    database_url: Annotated[
        str | None,
        Declared(
            _STORES,
            parsers.postgres_url,
            "Postgres: API, central worker, migrations; region workers only without InfluxDB",
            secret=True,
        ),
    ] = None
    redis_url: Annotated[
        str | None,
        Declared(
            _STORES, parsers.url("redis", "rediss", "unix"), "Redis: every process", secret=True
        ),
    ] = None
    influxdb_url: Annotated[
        str | None,
        Declared(
            _STORES,
            parsers.plain_url("http", "https"),
            "InfluxDB 1.8, 2.x or 3 Core; without it ticks are kept in Postgres",
        ),
    ] = None
    influxdb_token: Annotated[
        str | None,
        Declared(
            _STORES,
            parsers.text,
            "InfluxDB token; for InfluxDB 1.x `user:password`",
            secret=True,
        ),
    ] = None
    influxdb_org: Annotated[
        str | None, Declared(_STORES, parsers.text, "InfluxDB organisation (2.x)")
    ] = None
    influxdb_bucket: Annotated[
        str, Declared(_STORES, parsers.text, "InfluxDB bucket (2.x) or database (1.x, 3)")
    ] = "website_ticks"
    smtp_host: Annotated[
        str | None, Declared(_MAIL, parsers.text, "mail server: central worker")
    ] = None
    smtp_port: Annotated[
        int, Declared(_MAIL, parsers.integer(1, 65_535), "port of the mail server")
    ] = 587
    smtp_user: Annotated[
        str | None, Declared(_MAIL, parsers.text, "user name, where the mail server wants one")
    ] = None
    smtp_pass: Annotated[
        str | None, Declared(_MAIL, parsers.text, "password of SMTP_USER", secret=True)
    ] = None
    smtp_tls: Annotated[
        str,
        Declared(
            _MAIL,
            parsers.one_of("starttls", "tls", "none"),
            "`starttls`, `tls` (from the first byte, usually port 465) or `none`",
        ),
    ] = "starttls"
    smtp_from: Annotated[
        MailAddress | None,
        Declared(
            _MAIL,
            parsers.mailbox,
            "sender of alert e-mails; unset: SMTP_USER, if that is an address",
        ),
    ] = None
    alert_email_to: Annotated[
        tuple[str, ...],
        Declared(
            _MAIL,
            parsers.mail_addresses,
            "recipients for websites that name none, separated by commas, semicolons or blanks",
        ),
    ] = ()
    monitor_encryption_keys: Annotated[
        tuple[str, ...],
        Declared(
            _SECRETS,
            parsers.fernet_keys,
            "encrypts request headers and bodies at rest: API and region workers; the first key "
            "encrypts, all decrypt, separated by commas; `monitor secrets key` makes one",
            secret=True,
        ),
    ] = ()
    monitor_region: Annotated[
        str | None, Declared(_CHECKS, parsers.region, "serve only this region's checks")
    ] = None
    monitor_api_host: Annotated[str, Declared(_API, parsers.text, "address the API listens on")] = (
        "127.0.0.1"
    )
    monitor_api_port: Annotated[
        int, Declared(_API, parsers.integer(1, 65_535), "port the API listens on")
    ] = 8000
    monitor_cors_origins: Annotated[
        tuple[str, ...],
        Declared(
            _API,
            parsers.origins,
            "origins whose pages may call the API, like `https://status.example.com`, separated "
            "by commas",
        ),
    ] = ()
    monitor_key_requests_per_minute: Annotated[
        int,
        Declared(
            _API,
            parsers.integer(0, 10_000_000),
            "requests allowed to one API key, counted over all API processes; 0: unlimited",
        ),
    ] = 6000
    monitor_wrong_keys_per_minute: Annotated[
        int,
        Declared(
            _API,
            parsers.integer(0, 1_000_000),
            "wrong API keys allowed to one address at one API process; 0: unlimited",
        ),
    ] = 30
    monitor_trusted_proxies: Annotated[
        tuple[Network, ...],
        Declared(
            _API,
            parsers.proxies,
            "networks of the proxies in front of the API, like `127.0.0.1/32`, separated by "
            "commas: what they say in X-Forwarded-For or Forwarded is the client's address",
            old_names=("FORWARDED_ALLOW_IPS",),
        ),
    ] = ()
    monitor_api_deadline_s: Annotated[
        int,
        Declared(
            _API,
            parsers.integer(1, 300),
            "seconds a request may take, less what its client takes; imports and exports: a block "
            "of them; changes of many websites: 300",
        ),
    ] = 10
    monitor_session_unused_days: Annotated[
        int,
        Declared(_PEOPLE, parsers.integer(1, 400), "days after which an unused session ends"),
    ] = 14
    monitor_session_days: Annotated[
        int, Declared(_PEOPLE, parsers.integer(1, 400), "days after which every session ends")
    ] = 90
    monitor_metrics_port: Annotated[
        int | None,
        Declared(
            _METRICS,
            parsers.integer(1, 65_472),
            "worker and scheduler processes serve /metrics, each on the first free of the 64 ports "
            "from this one on; unset: none do (the API always does, on its own port)",
        ),
    ] = None
    monitor_metrics_host: Annotated[
        str, Declared(_METRICS, parsers.text, "address they serve /metrics on")
    ] = "127.0.0.1"
    monitor_url: Annotated[
        str | None,
        Declared(
            _LOCAL,
            parsers.plain_url("http", "https"),
            "URL of the API for `monitor import` and `monitor export`",
        ),
    ] = None
    monitor_api_key: Annotated[
        str | None, Declared(_LOCAL, parsers.text, "API key that they send", secret=True)
    ] = None
    monitor_data_dir: Annotated[
        Path, Declared(_LOCAL, parsers.path, "directory that holds everything of `make up`")
    ] = Path(".monitor")
    monitor_dns_servers: Annotated[
        tuple[str, ...],
        Declared(
            _CHECKS,
            parsers.dns_servers,
            "DNS servers for checks, `address` or `address:port`, separated by commas; unset: the "
            "system's",
        ),
    ] = ()
    monitor_connectivity_targets: Annotated[
        tuple[tuple[str, int], ...],
        Declared(
            _CHECKS,
            parsers.addresses,
            "`host:port` of servers that always answer, separated by commas: when none does, the "
            "region has lost its network and measures nothing",
            old_names=("MONITOR_REFERENCES",),
        ),
    ] = ()
    monitor_allow_networks: Annotated[
        tuple[Network, ...],
        Declared(
            _CHECKS,
            parsers.networks,
            "private networks that may be checked, like `10.0.0.0/8`, separated by commas",
        ),
    ] = ()
    monitor_concurrency: Annotated[
        int,
        Declared(_CHECKS, parsers.integer(1, 50_000), "concurrent checks of one worker process"),
    ] = 2000
    monitor_known_chains: Annotated[
        int,
        Declared(
            _CHECKS,
            parsers.integer(0, 100_000_000),
            "for how many HTTPS websites one worker process remembers the certificate chain that "
            "it verified, in at most 64 bytes each; 0: every handshake is verified",
        ),
    ] = 1_000_000
    monitor_batch_size: Annotated[
        int, Declared(_CHECKS, parsers.integer(1, 5000), "approximate number of websites a batch")
    ] = 500
    monitor_raw_days: Annotated[
        int, Declared(_RETENTION, parsers.integer(4, 3650), "days that raw ticks are kept")
    ] = 30
    monitor_rollup_days: Annotated[
        int, Declared(_RETENTION, parsers.integer(90, 3650), "days that hourly roll-ups are kept")
    ] = 400
    monitor_daily_days: Annotated[
        int,
        Declared(
            _RETENTION,
            parsers.integer(90, 3650),
            "days that daily roll-ups and the changes of verdicts are kept",
        ),
    ] = 1100
    monitor_audit_days: Annotated[
        int, Declared(_RETENTION, parsers.integer(1, 36_500), "days that the audit log is kept")
    ] = 400
    monitor_tick_buffer_bytes: Annotated[
        int,
        Declared(
            _RETENTION,
            parsers.integer(0, 2**40),
            "bytes of Redis for ticks that the tick store did not take; the oldest go first",
        ),
    ] = 64 * 2**20
    monitor_log_level: Annotated[
        str,
        Declared(
            _METRICS, parsers.one_of("debug", "info", "warning", "error"), "minimum log level"
        ),
    ] = "info"

    def __repr__(self) -> str:
        """Without values: some are secrets."""
        return "Settings(...)"

    def need(self, name: str) -> str:
        """The value of a setting that this process cannot run without.

        Raises SettingsError naming the setting where it is not set.
        """
        value = getattr(self, name.lower())
        if not value:
            purpose = next(s.purpose for s in TABLE if s.name == name)
            raise SettingsError(f"{name} is not set ({purpose}); set it or put it in .env.")
        return str(value)

    def sender(self) -> MailAddress:
        """Who sends e-mails: SMTP_FROM, or else SMTP_USER if that is an address.

        Raises SettingsError where neither can; only processes that send are stopped by it.
        """
        if self.smtp_from is not None:
            return self.smtp_from
        try:
            return MailAddress(mail_address.one(self.smtp_user or "").address)
        except InvalidAddress:
            raise SettingsError(
                "SMTP_FROM is not set (sender of alert e-mails), and SMTP_USER is no address to "
                "use instead: set SMTP_FROM to an address that your mail server lets you send from."
            ) from None


def _table() -> tuple[Setting, ...]:
    hints = get_type_hints(Settings, include_extras=True)
    return tuple(
        Setting(field.name.upper(), field.default, hints[field.name].__metadata__[0])
        for field in fields(Settings)
    )


TABLE: Final = _table()
"""All settings, in the order of their declaration."""


def load(environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")) -> Settings:
    """Read and check all settings; see ``raw_values``.

    Raises SettingsError, one sentence naming the setting, where a value is malformed or
    contradicts another, or ``env_file`` cannot be read.
    """
    values = raw_values(environ, env_file)
    settings = Settings(**{s.name.lower(): parse(s, values.get(s.name)) for s in TABLE})
    check_together(settings)
    return settings


def raw_values(
    environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")
) -> dict[str, str]:
    """The settings that are set, as text by name. The environment wins over ``env_file``.

    An empty value counts as unset; one in the environment hides that of ``env_file``. A secret may
    stand in a file that NAME_FILE names, as containers are given theirs. Raises SettingsError
    where that file cannot be read.
    """
    environment = dict(os.environ if environ is None else environ)
    variables = with_new_names(read_env_file(env_file)) | with_new_names(environment)
    return {s.name: text for s in TABLE if (text := text_of(s, variables))}


def with_new_names(variables: Mapping[str, str | None]) -> dict[str, str | None]:
    """These variables with settings of an old name under their new one, which wins if both are."""
    renamed = dict(variables)
    for setting in TABLE:
        for old_name in setting.declared.old_names:
            if old_name in renamed and not renamed.get(setting.name):
                renamed[setting.name] = renamed[old_name]
                if renamed[old_name]:
                    _warn_of_old_name(old_name, setting.name)
    return renamed


@cache
def _warn_of_old_name(old_name: str, name: str) -> None:
    """Once a process: some commands read the settings more than once."""
    log.warning("%s is now called %s; the old name still works. Rename it.", old_name, name)


def text_of(setting: Setting, variables: Mapping[str, str | None]) -> str:
    """The text of a setting, or of the file that its NAME_FILE names, without blanks round it.

    A secret that is read from a file often ends in a line break. Raises SettingsError.
    """
    value = (variables.get(setting.name) or "").strip()
    path = (variables.get(setting.file_name) or "").strip() if setting.file_name else ""
    if not path:
        return value
    if value:
        raise SettingsError(
            f"{setting.name} and {setting.file_name} are both set: set one of them."
        )
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise SettingsError(
            f"{setting.file_name} names {path}, which cannot be read: {why}."
        ) from None


def read_env_file(path: Path) -> dict[str, str | None]:
    """The variables of a `.env`; none where there is no such file. ``$`` means itself."""
    try:
        with path.open(encoding="utf-8") as file:
            return dict(dotenv_values(stream=file, interpolate=False))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from None


def parse(setting: Setting, text: str | None) -> Any:
    """The value of a setting, its default without a text. Raises SettingsError."""
    if text is None:
        return setting.default
    try:
        _must_be_printable(text)
        return setting.declared.parser(text)
    except ValueError as error:
        # "a user or password" is refused in a URL: then it must not be shown either.
        shown = "" if setting.secret or "@" in text else f" (it is {text!r})"
        raise SettingsError(f"{setting.name} {error}{shown}.") from None


def _must_be_printable(text: str) -> None:
    """Refuse what no setting needs, and headers and line protocols break at (Unicode's Cc)."""
    for number, character in enumerate(text, 1):
        if unicodedata.category(character) == "Cc":
            raise ValueError(
                f"must not hold control characters, and number {number} is one "
                f"(U+{ord(character):04X})"
            )


def check_together(settings: Settings) -> None:
    """Raise SettingsError where one setting contradicts another."""
    if settings.smtp_user and not settings.smtp_pass:
        raise SettingsError("SMTP_USER is set without SMTP_PASS: set both or neither.")
    if settings.smtp_pass and not settings.smtp_user:
        raise SettingsError("SMTP_PASS is set without SMTP_USER: set both or neither.")
    if settings.smtp_user and not settings.smtp_host:
        raise SettingsError("SMTP_USER is set without SMTP_HOST, the mail server to log in to.")
    if settings.influxdb_token and not settings.influxdb_url:
        raise SettingsError("INFLUXDB_TOKEN is set without INFLUXDB_URL, the server it is for.")
