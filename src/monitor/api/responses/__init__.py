"""From what services return to what goes over the wire."""
