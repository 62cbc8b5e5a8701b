"""Who stands behind an access token: asked by the API's door beside the tokens that people make."""

from flask import current_app, g, request

from webapp.identity.queries import Bearer
from webapp.oauth import queries
from webapp.oauth.signing import Signer
from webapp.web.state import services

SIGNER = "oauth_signer"


def signer() -> Signer:
    """Return the process's signer."""
    found: Signer = current_app.extensions.setdefault(SIGNER, Signer())
    return found


def issuer() -> str:
    """Return who issues: the public address of the installation."""
    return (services().settings.base_url or request.host_url).rstrip("/")


def bearer_of(text: str) -> Bearer | None:
    """Return who stands behind an access token, on the request's transaction; None when it holds no longer."""
    claims = signer().verify(g.db, text, issuer=issuer(), at=g.at)
    return None if claims is None else queries.bearer(session=g.db, claims=claims, at=g.at)
