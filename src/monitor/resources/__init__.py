"""What a caller may send and read: one declaration a field."""
