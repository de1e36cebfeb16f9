"""Website monitoring for one person's ten sites and for a million."""

__version__ = "0.1.0"
