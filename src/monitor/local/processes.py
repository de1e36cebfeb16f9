"""The product's processes in the local stack: their commands and settings."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from monitor.probes.net.groups import CONFIGURATION
from monitor.runtime.settings import TABLE

REGION = "local"
LOOPBACK = "127.0.0.0/8,::1/128"
MAILBOX_SENDER, MAILBOX_RECIPIENT = "monitor@localhost", "you@localhost"

_WORKER = ("--skip-logging", "--processes", "1", "--threads", "4")
_WORKER_STOPS_WITHIN_MS = "3000"


class Command(Struct, frozen=True):
    """A process to run: its displayed name, its command line, and what is added to its
    environment."""

    name: str
    words: tuple[str, ...]
    settings: dict[str, str]


def commands() -> list[Command]:
    """API, scheduler, central worker, and the worker of the region ``local``."""
    worker = (
        *_script("dramatiq"), "monitor.actors", *_WORKER,
        "--worker-shutdown-timeout", _WORKER_STOPS_WITHIN_MS,
    )  # fmt: skip
    return [
        Command("api", (*_script("monitor"), "api"), {}),
        Command("scheduler", (*_script("periodiq"), "monitor.actors"), {}),
        Command("central", worker, {}),
        Command(REGION, worker, {"MONITOR_REGION": REGION, **_openssl()}),
    ]


def _openssl() -> dict[str, str]:
    """Our configuration of OpenSSL, for the worker that checks alone; the user's goes first."""
    return {"OPENSSL_CONF": os.environ.get("OPENSSL_CONF") or str(CONFIGURATION)}


def _script(name: str) -> tuple[str, ...]:
    # -P: a file of that name beside the script or in this directory must not be imported.
    return (sys.executable, "-P", str(Path(sysconfig.get_path("scripts")) / name))


class Locations(Struct, frozen=True):
    """The addresses of the stack's own servers."""

    database_url: str
    redis_url: str
    mailbox_port: int

    def settings(self) -> dict[str, str]:
        """The settings that name the database and the Redis."""
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


def environment(
    user_settings: Mapping[str, str], servers: Locations, data_dir: Path
) -> dict[str, str]:
    """The environment of all processes: their settings, none of which a file may change.

    The `.env` has been read, and children must not read it again.
    """
    in_files = {setting.file_name: "" for setting in TABLE if setting.file_name}
    return dict(os.environ) | in_files | stack_settings(user_settings, servers, data_dir)


def stack_settings(
    user_settings: Mapping[str, str], servers: Locations, data_dir: Path
) -> dict[str, str]:
    """The settings of all processes, as text. ``user_settings``: those that the user set.

    Every setting is present, if only as empty. The database and Redis are always the stack's own.
    Mail goes to the mailbox unless SMTP_HOST is set.
    """
    values = {setting.name: user_settings.get(setting.name, "") for setting in TABLE}
    values |= {
        **servers.settings(),
        "MONITOR_REGION": "",
        "MONITOR_DATA_DIR": str(data_dir),
        "MONITOR_ALLOW_NETWORKS": ",".join(
            filter(None, (LOOPBACK, user_settings.get("MONITOR_ALLOW_NETWORKS")))
        ),
        "ALERT_EMAIL_TO": user_settings.get("ALERT_EMAIL_TO") or MAILBOX_RECIPIENT,
    }
    if not user_settings.get("SMTP_HOST"):
        mailbox = {"SMTP_PORT": str(servers.mailbox_port), "SMTP_TLS": "none"}
        mailbox |= {"SMTP_FROM": user_settings.get("SMTP_FROM") or MAILBOX_SENDER}
        values |= {"SMTP_HOST": "127.0.0.1", **mailbox}
    return values


def joined_keys(*texts: str) -> str:
    """The encryption keys in these texts, each once: the first of all encrypts."""
    words = (word.strip() for text in texts for word in text.split(","))
    return ",".join(dict.fromkeys(filter(None, words)))
