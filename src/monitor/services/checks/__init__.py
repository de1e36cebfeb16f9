"""Checks of websites in a region."""
