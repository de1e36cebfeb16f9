"""Writing websites, and reading their status and results."""
