"""Which checks are due, and the projection they are read from."""
