"""Bulk imports, exports and changes of websites."""
