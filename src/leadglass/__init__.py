"""Leadglass: medical images that only the right people see."""

__version__ = "0.1.0"
