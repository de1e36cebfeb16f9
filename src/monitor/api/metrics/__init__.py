"""What the API counts and shows."""
