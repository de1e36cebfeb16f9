"""Dispatch of due checks, and the projection that they are read from."""
