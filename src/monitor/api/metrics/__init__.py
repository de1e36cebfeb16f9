"""Metrics of the API."""
