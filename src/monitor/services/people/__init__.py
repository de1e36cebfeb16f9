"""People who sign in: links, passwords, sessions."""
