"""Many websites at once."""
