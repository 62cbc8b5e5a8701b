"""Identifiers and secrets: made at the edge and passed in, so that tests and the demo can fix them."""

import secrets
from uuid import UUID, uuid4


def new_id() -> UUID:
    """Return a random 128-bit identifier."""
    return uuid4()


def new_secret() -> str:
    """Return 256 random bits as URL-safe text (43 characters)."""
    return secrets.token_urlsafe(32)
