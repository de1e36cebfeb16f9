"""Checks over HTTP."""
