"""What a token is in JSON, whoever holds it."""

from typing import Any

from flask import g
from pydantic import BaseModel, Field

from tenants.office.tokens import queries
from tenants.schemas import Instant, instant

TOKEN_ID = Field(pattern="^[0-9a-f]{16}$")
WHOLE = Field(examples=["cpt_live_0123456789abcdef_…"])


class TokenFacts(BaseModel):
    """A token, without its secret and its holder."""

    id: str
    name: str
    scopes: list[str]
    state: str = Field(examples=["active"], description="active, expired or revoked")
    created_at: Instant
    expires_at: Instant
    used_at: Instant | None
    revoked_at: Instant | None
    networks: list[str] = Field(description="The networks from which alone it works; none means from everywhere.")
    rotated_at: Instant | None
    former_until: Instant | None = Field(description="Until then the secret before the last rotation works too.")


def facts_of(row: queries.TokenRow) -> dict[str, Any]:
    """Write a token for JSON, without its holder."""
    token = row.token
    return {
        "id": token.id,
        "name": token.name,
        "scopes": token.scopes,
        "state": row.state(g.at),
        "created_at": instant(token.created_at),
        "expires_at": instant(token.expires_at),
        "used_at": instant(token.used_at) if token.used_at else None,
        "revoked_at": instant(token.revoked_at) if token.revoked_at else None,
        "networks": token.networks,
        "rotated_at": instant(token.rotated_at) if token.rotated_at else None,
        "former_until": instant(token.former_until) if token.former_until else None,
    }
