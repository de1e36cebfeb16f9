"""One use-case a file. Services take what they need, return values and the messages to send."""
