"""What is asked about a token that was given: to end it, and whether it holds."""

from typing import Any
from uuid import UUID

from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import g

from webapp.oauth import commands, queries
from webapp.oauth.clients import BASIC, NONE, POST, Client, Issued, Machine
from webapp.oauth.queries import GrantView
from webapp.oauth.recognition import issuer, signer


class Revocation(RevocationEndpoint):  # type: ignore[misc] # authlib has no types
    """RFC 7009: either token ends the whole grant."""

    CLIENT_AUTH_METHODS = (BASIC, POST, NONE)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Issued | None:
        return _found(token_string, g.oauth_client_id)

    def revoke_token(self, token: Issued, request: Any) -> None:
        if token.grant is not None:
            commands.revoke_grant(session=g.db, actor=g.actor, at=g.at, grant_id=token.grant.id, why="by its client")


class Introspection(IntrospectionEndpoint):  # type: ignore[misc] # authlib has no types
    """RFC 7662: a confidential client of the same workspace learns whether an access token holds."""

    CLIENT_AUTH_METHODS = (BASIC, POST)

    def check_permission(self, token: Issued, client: Client, request: Any) -> bool:
        of = client.bearer.tenant_id if isinstance(client, Machine) else client.view.tenant_id
        return token.claims is not None and token.claims.tenant_id == of

    def query_token(self, token_string: str, token_type_hint: str | None) -> Issued | None:
        claims = signer().verify(g.db, token_string, issuer=issuer(), at=g.at)
        alive = claims is not None and queries.bearer(session=g.db, claims=claims, at=g.at)
        return Issued(claims=claims) if alive else None

    def introspect_token(self, token: Issued) -> dict[str, Any]:
        claims = token.claims
        if claims is None:
            return {"active": False}
        return {
            "active": True,
            "sub": str(claims.subject),
            "client_id": claims.client_id,
            "scope": token.get_scope(),
            "token_type": "Bearer",
            "iss": issuer(),
        }


def _found(text: str, client_id: str) -> Issued | None:
    claims = signer().verify(g.db, text, issuer=issuer(), at=g.at)
    if claims is not None:
        grant = _grant_named(claims.grant)
        return Issued(grant) if grant else None
    grant_id = commands.family_of(session=g.db, secret=text, client_id=client_id)
    grant = grant_id and queries.grant(session=g.db, grant_id=grant_id)
    return Issued(grant) if grant else None


def _grant_named(name: str) -> GrantView | None:
    try:
        return queries.grant(session=g.db, grant_id=UUID(name))
    except ValueError:
        return None
