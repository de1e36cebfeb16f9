"""Databases of their own on the server of the test process."""

import uuid
from contextlib import contextmanager

import psycopg


@contextmanager
def new_database(server, template="monitor", locale=""):
    """The URL of a new database, a copy of that one, for the length of a block.

    ``locale``: clauses of CREATE DATABASE, for the template template0 alone.
    """
    name = f"test_{uuid.uuid4().hex}"
    copied = f'TEMPLATE "{template}" STRATEGY FILE_COPY {locale}'  # not by way of the log
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" {copied}')
    yield server.url(name)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def forget_websites(database_url):
    """Regions and keys stay."""
    with psycopg.connect(database_url) as connection:
        for table in ("websites", "notifications", "changes", "bulk_imports", "audit_log"):
            connection.execute(f"DELETE FROM {table}")
