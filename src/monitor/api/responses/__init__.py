"""Conversions from what services return to response schemas."""
