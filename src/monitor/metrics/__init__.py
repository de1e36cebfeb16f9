"""Counters, and how they become Prometheus metrics."""
