"""The metrics of the API."""
