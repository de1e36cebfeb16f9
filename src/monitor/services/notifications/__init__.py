"""From the outbox to recipients."""
