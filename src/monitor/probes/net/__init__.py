"""Names, addresses, connections and TLS."""
