"""How long an upgrade stops the API and the central workers: migrations on a full database.

    SITES=1000000 python -m bench.upgrade

Fills the schema of 0.1.0 with websites, one in fifty with headers and a body, applies what is
missing as `monitor migrate` does, and prints the seconds of each migration.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import psycopg

from monitor.local.postgres import EmbeddedPostgres
from monitor.storage.postgres.migrations import directory, migrate, read

from .servers import open_way

_SCHEMA = 8
"""The last migration of 0.1.0."""

_FILL = """
    INSERT INTO websites (id, url, name, all_regions, check_frequency, request_timeout, http_method,
                          request_headers, request_body, expected_status_codes, follow_redirects,
                          verify_ssl, alert_emails)
    SELECT gen_random_uuid(), 'https://www' || n || '.example/health', 'site ' || n, true, 180, 15,
           'GET', CASE WHEN n %% 50 = 0 THEN '{"Authorization": "Bearer x"}' ELSE '{}' END::jsonb,
           CASE WHEN n %% 50 = 0 THEN 'ping' ELSE '' END, '[[200, 399]]', true, true, '{}'
      FROM generate_series(1, %s) n
"""


def main() -> None:
    sites = int(os.environ.get("SITES", "1000000"))
    with tempfile.TemporaryDirectory(prefix="monitor-upgrade-") as name:
        open_way(Path(name))
        server = EmbeddedPostgres(Path(name) / "postgres")
        server.start()
        try:
            url = server.url("monitor")
            _install(url, Path(name) / "migrations", _SCHEMA)
            with psycopg.connect(url) as connection:
                connection.execute(_FILL, [sites])
            _measure(url, Path(name) / "migrations", sites)
        finally:
            server.stop()


def _install(url: str, folder: Path, last: int) -> None:
    """Apply the migrations up to this one."""
    folder.mkdir(exist_ok=True)
    for migration in read(directory()):
        if migration.version <= last:
            shutil.copy(directory() / migration.name, folder)
    migrate(url, folder)


def _measure(url: str, folder: Path, sites: int) -> None:
    began = time.monotonic()
    for migration in read(directory()):
        if migration.version > _SCHEMA:
            at = time.monotonic()
            _install(url, folder, migration.version)
            print(f"{migration.name:32} {time.monotonic() - at:6.1f} s", flush=True)
    print(f"{sites} websites: {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
