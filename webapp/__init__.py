"""Comptoir's platform floor: everything that exists with zero tenants."""

__version__ = "0.1.0"

COMPOSE_REVISION = "1"
"""The revision of docker-compose.production.yml that this version belongs to."""
