"""Regions, their workers, and the installation as a whole."""
