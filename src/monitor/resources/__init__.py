"""The fields that callers may send and read, each declared once."""
