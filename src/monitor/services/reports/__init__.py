"""Figures over time: how they are made, and how they are read."""
