"""Websites: written, and how they are."""
