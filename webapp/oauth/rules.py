"""Pure rules of the authorization server (OAuth 2.1, RFC 9068, RFC 9700)."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from webapp.kernel.errors import N_, FieldError

ACCESS_LIFE = timedelta(minutes=15)
CODE_LIFE = timedelta(seconds=60)
GRANT_LIFE = timedelta(days=90)
"""So long after the consent the last refresh token ends, however often it was renewed."""
KEY_SIGNS = timedelta(days=30)
"""So long a key signs; then a new one is made."""
KEY_VERIFIES = KEY_SIGNS + timedelta(days=1)
"""So long a key is published: longer than any token that it signed lives."""
ALGORITHMS = ("RS256", "EdDSA")
URIS_MAX = 10
URI_LENGTH_MAX = 500
TYPE = "at+jwt"
LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})
_KID = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_URI = re.compile(r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:]+\]|[a-z0-9.-]{1,253})(:[0-9]{1,5})?(/[!-~]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says, once its signature holds."""

    subject: UUID
    tenant_id: UUID
    client_id: str
    scopes: frozenset[str]
    grant: str
    """The grant of a person, or the token of a service account, for which it was issued: what ends it at once."""


def is_redirect_uri(text: str) -> bool:
    """Tell whether codes may be sent there: https, or a program on the same machine (RFC 8252, 7.3)."""
    match = _URI.fullmatch(text)
    if match is None or len(text) > URI_LENGTH_MAX or any(mark in text for mark in "#\\@*"):
        return False
    return match["scheme"] == "https" or match["host"] in LOOPBACK


def client_errors(
    *, name: str, redirect_uris: Sequence[str], scopes: Collection[str], known_scopes: Collection[str], alg: str
) -> list[FieldError]:
    """Return what is wrong with a client."""
    errors = []
    if not 1 <= len(name.strip()) <= 100 or not name.isprintable():  # noqa: PLR2004 - said in the message
        errors.append(FieldError("name", "length", N_("A name has 1 to 100 characters.")))
    wrong = next((one for one in redirect_uris if not is_redirect_uri(one)), None)
    if wrong is not None:
        text = N_("%(text)s is no address to send people back to; write https://app.example.org/callback.")
        errors.append(FieldError("redirect_uris", "uri", text, {"text": wrong[:100]}))
    elif not 1 <= len(redirect_uris) <= URIS_MAX:
        errors.append(FieldError("redirect_uris", "many", N_("Name 1 to 10 addresses to send people back to.")))
    if not scopes or set(scopes) - set(known_scopes):
        errors.append(FieldError("scopes", "choice", N_("Choose at least one of the offered scopes.")))
    if alg not in ALGORITHMS:
        errors.append(FieldError("alg", "choice", N_("Choose one of the offered values.")))
    return errors


def audience(issuer: str, tenant_id: UUID) -> str:
    """Return for whom an access token is: one workspace of one installation."""
    return f"{issuer}/api/v1/workspaces/{tenant_id}"


def claims_for(
    *, issuer: str, at: datetime, token_id: str, subject: UUID, tenant_id: UUID, client_id: str, scope: str, grant: str
) -> dict[str, object]:
    """Return the claims of a new access token (RFC 9068, 2.2)."""
    return {
        "iss": issuer,
        "sub": str(subject),
        "aud": audience(issuer, tenant_id),
        "exp": int((at + ACCESS_LIFE).timestamp()),
        "iat": int(at.timestamp()),
        "jti": token_id,
        "client_id": client_id,
        "scope": scope,
        "workspace": str(tenant_id),
        "grant": grant,
    }


def read_claims(claims: dict[str, object], *, issuer: str, at: datetime) -> Claims | None:
    """Return what a signed token says, if it is from here, for the workspace that it names, and of now."""
    try:
        subject, tenant_id = UUID(str(claims["sub"])), UUID(str(claims["workspace"]))
        ends, began = claims["exp"], claims["iat"]
        scope, client_id, grant = claims["scope"], claims["client_id"], claims["grant"]
    except (KeyError, ValueError):
        return None
    if claims.get("iss") != issuer or claims.get("aud") != audience(issuer, tenant_id):
        return None
    now = at.timestamp()
    if type(ends) is not int or type(began) is not int or not began - 5 <= now < ends:
        return None
    if not (isinstance(scope, str) and isinstance(client_id, str) and isinstance(grant, str)):
        return None
    return Claims(subject, tenant_id, client_id, frozenset(scope.split()), grant)


def is_kid(text: object) -> bool:
    """Tell whether a text can be the id of a key, before any database is asked."""
    return isinstance(text, str) and _KID.fullmatch(text) is not None
