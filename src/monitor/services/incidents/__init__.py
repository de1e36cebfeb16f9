"""Incidents: recorded from flips, repaired by the sweep."""
