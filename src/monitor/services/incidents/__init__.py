"""From flips to incidents."""
