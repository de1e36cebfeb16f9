"""Checking websites in a region."""
