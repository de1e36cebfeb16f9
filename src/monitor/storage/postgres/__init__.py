"""Postgres holds the truth. psycopg 3, SQL beside its function, no ORM."""
