"""Dramatiq middleware, one a file."""
