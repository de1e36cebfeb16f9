"""Counting, and how counts become Prometheus metrics."""
