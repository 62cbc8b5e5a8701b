"""Comptoir's platform floor: everything that exists with zero tenants."""
