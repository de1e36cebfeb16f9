"""Vocabulary and pure decisions: no I/O, no clock read, only the standard library and msgspec."""
