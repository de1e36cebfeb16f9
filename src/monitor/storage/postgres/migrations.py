"""Schema migrations: SQL files, applied once and in order, and recorded with checksums."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from msgspec import Struct

from monitor.domain.errors import MigrationError, Unavailable
from monitor.storage.postgres import search
from monitor.storage.postgres.pool import Connection, describe

_LOCK = 0x6D6F6E69746F72  # "monitor": the advisory lock that migrations are applied under
_LOCK_TIMEOUT = "10s"
_STATEMENT_TIMEOUT = "5min"
_SEARCH_TEXT = 13
"""The migration that adds the column which ``search.fill`` fills in."""

_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""

_APPLIED = "SELECT version, name, checksum FROM schema_migrations ORDER BY version"


class Migration(Struct, frozen=True, order=True):
    """One migration file: its number, name and SQL."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def directory() -> Path:
    """The directory of the migrations: in an installed package, or else in the checkout."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def read(folder: Path) -> list[Migration]:
    """All migrations in a folder, in order.

    Raises MigrationError for an invalid file name and for a duplicate number.
    """
    migrations: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named like 0001_what_it_does.sql.")
        version = int(match[1])
        if version in migrations:
            raise MigrationError(
                f"{path.name} and {migrations[version].name} have the same number."
            )
        migrations[version] = Migration(version, path.name, path.read_text(encoding="utf-8"))
    return list(migrations.values())


def migrate(
    database_url: str,
    folder: Path | None = None,
    progress: search.Progress = lambda _done, _total: None,
) -> list[str]:
    """Apply pending migrations and return their names. Safe to run concurrently.

    What SQL alone cannot compute is filled in afterwards, page by page; ``progress`` is called with
    (done, total) websites. A run that was interrupted is continued by the next one.

    Raises MigrationError if an applied file was changed or removed, or if the SQL of a file fails
    (it is then rolled back), and Unavailable if Postgres cannot be reached.
    """
    available = read(folder or directory())
    try:
        with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            connection.execute(_CREATE_TABLE)
            pending = _pending(connection, available)
            for migration in pending:
                _apply(connection, migration)
            if any(m.version == _SEARCH_TEXT for m in available):
                search.fill(connection, progress)
            return [m.name for m in pending]
    except psycopg.OperationalError as error:
        raise Unavailable("postgres", describe(error)) from error


class Comparison(Struct, frozen=True):
    """How the migrations of a database differ from those of this version."""

    pending: list[Migration]
    unknown: list[str]
    """Names of those that only the database has."""
    changed: list[str]
    """Names of those whose file is not what was applied."""


def compare(available: Sequence[Migration], applied: Sequence[Sequence[Any]]) -> Comparison:
    """Compare migrations with the applied (version, name, checksum). Pure."""
    by_version = {m.version: m for m in available}
    unknown, changed = [], []
    for version, name, checksum in applied:
        migration = by_version.pop(version, None)
        if migration is None:
            unknown.append(name)
        elif migration.checksum != checksum:
            changed.append(name)
    return Comparison(sorted(by_version.values()), unknown, changed)


async def compared(connection: Connection) -> Comparison:
    """Compare a database with this version, changing nothing."""
    cursor = await connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL")
    row = await cursor.fetchone()
    exists = row is not None and row[0]
    applied = await (await connection.execute(_APPLIED)).fetchall() if exists else []
    return compare(read(directory()), applied)


RESTORE = (
    "restore the file of the release, and put a change of your own in a new migration; a database "
    "made before the first release is left as it is: export its websites with the version that "
    "made it (`monitor export`) and import them into a new database"
)


def _pending(connection: psycopg.Connection, available: list[Migration]) -> list[Migration]:
    comparison = compare(available, connection.execute(_APPLIED).fetchall())
    if comparison.unknown:
        raise MigrationError(
            f"{comparison.unknown[0]} was applied to this database but its file is missing: "
            "run the version of monitor that this database belongs to, or a newer one."
        )
    if comparison.changed:
        raise MigrationError(
            f"{comparison.changed[0]} was changed after it was applied to this database: {RESTORE}."
        )
    return comparison.pending


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            connection.execute(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'")
            # The files are part of this package, not user input.
            connection.execute(migration.sql.encode())
            connection.execute(
                "INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)",
                [migration.version, migration.name, migration.checksum],
            )
    except psycopg.errors.LockNotAvailable as error:
        raise MigrationError(
            f"{migration.name} waited {_LOCK_TIMEOUT} for a lock and gave up: "
            "try again when the database is less busy."
        ) from error
    except psycopg.Error as error:
        raise MigrationError(f"{migration.name} failed: {error}") from error
