"""E-mail."""

KIND = "email"
