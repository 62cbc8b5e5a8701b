"""Comptoir's platform floor: everything that exists with zero tenants."""

__version__ = "0.1.0"
