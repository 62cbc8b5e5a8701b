"""The authorization server: authlib's grants over our tables. Imported only when somebody comes for a token."""

from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from flask import current_app, g

from webapp.oauth import commands
from webapp.oauth.clients import client_of
from webapp.oauth.endpoints import Introspection, Revocation
from webapp.oauth.grants import CodeGrant, MachineGrant, ProofKey, RefreshGrant
from webapp.oauth.queries import GrantView
from webapp.oauth.recognition import issuer, signer
from webapp.oauth.rules import ACCESS_LIFE, claims_for
from webapp.web.state import services

EXTENSION = "authorization_server"


class Server(AuthorizationServer):  # type: ignore[misc] # authlib has no types
    """Issues access tokens that are signed, and refresh tokens that are kept as hashes."""

    def generate_token(
        self,
        grant_type: str,
        client: Any,
        user: GrantView | None = None,
        scope: str | None = None,
        expires_in: int | None = None,
        include_refresh_token: bool = True,
    ) -> dict[str, Any]:
        if user is None:
            bearer = client.bearer
            scope = scope or " ".join(sorted(bearer.scopes))
            subject, tenant_id, behind, alg = bearer.person.id, bearer.tenant_id, bearer.token_id, "EdDSA"
        else:
            scope = scope or " ".join(user.scopes)
            subject, tenant_id, behind, alg = user.person_id, user.tenant_id, str(user.id), client.view.alg
        claims = claims_for(
            issuer=issuer(),
            at=g.at,
            token_id=services().new_id().hex,
            subject=subject,
            tenant_id=tenant_id,
            client_id=client.client_id,
            scope=scope,
            grant=behind,
        )
        token = {
            "token_type": "Bearer",
            "access_token": signer().sign(g.db, claims, alg=alg, at=g.at),
            "expires_in": int(ACCESS_LIFE.total_seconds()),
            "scope": scope,
        }
        if include_refresh_token and user is not None:
            token["refresh_token"] = services().new_secret()
        return token

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        if "refresh_token" in token:
            commands.add_refresh(session=g.db, at=g.at, grant_id=request.user.id, secret=token["refresh_token"])


def server() -> Server:
    """Return the server of the running application, made when it is first needed."""
    if EXTENSION not in current_app.extensions:
        made = Server()
        made.init_app(current_app, query_client=client_of)
        made.register_grant(CodeGrant, [ProofKey(required=True)])
        made.register_grant(RefreshGrant)
        made.register_grant(MachineGrant)
        made.register_endpoint(Revocation)
        made.register_endpoint(Introspection)
        current_app.extensions[EXTENSION] = made
    found: Server = current_app.extensions[EXTENSION]
    return found
