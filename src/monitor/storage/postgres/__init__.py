"""Postgres, the source of truth: psycopg 3, SQL next to the function that uses it, no ORM."""
