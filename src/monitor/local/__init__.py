"""The embedded stack behind `make up`: real servers from wheels, on loopback, in one directory."""
