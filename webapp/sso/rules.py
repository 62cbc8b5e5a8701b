"""Pure rules of single sign-on: which providers there are, and what one must be told (OpenID Connect Core 1.0)."""

import json
import re
from dataclasses import dataclass, field
from uuid import UUID

from webapp.kernel.errors import N_, FieldError

INSTALLATION = UUID(int=0)
"""The scope of identities that a provider of the installation vouches for."""
READY = {
    "google": ("Google", "https://accounts.google.com"),
    "microsoft": ("Microsoft", "https://login.microsoftonline.com/organizations/v2.0"),
    "github": ("GitHub", "https://github.com"),
}
"""Kind to name and issuer; GitHub speaks OAuth without OpenID and has an adapter of its own."""
KINDS = ("oidc", *READY)
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""How an identity may be signed; never by the client's own secret, never by nothing."""
FLOW_SECONDS = 600
LEEWAY_SECONDS = 60
"""So far the clock of a provider may be off."""
LENGTH_MAX = 500
SUBJECT_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider to send people to; `tenant_id` is None for one of the installation."""

    key: str
    kind: str
    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    tenant_id: UUID | None = None

    @property
    def scope(self) -> UUID:
        """Return where its identities hold."""
        return self.tenant_id or INSTALLATION


def subject_key(subject: str) -> str:
    """Return a subject in the form of which a mark is made: in hexadecimal, so that its case makes a difference."""
    return subject.encode().hex()


@dataclass(frozen=True, slots=True)
class Proof:
    """Whom a provider vouches for; `email` is empty unless the provider says that it is verified."""

    issuer: str
    subject: str
    email: str
    name: str
    signed_in_at: float | None = None
    """When they signed in there (`auth_time`, seconds since 1970); None when the provider does not say."""


def read_providers(text: str) -> tuple[Provider, ...]:
    """Read the setting: a JSON list of objects with kind, client_id, client_secret, and for oidc name and issuer.

    Raises ValueError with the way out.
    """
    try:
        rows = json.loads(text or "[]")
        found = tuple(_read(row) for row in rows) if isinstance(rows, list) else (_read(rows),)
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(
            "COMPTOIR_SIGN_IN_PROVIDERS must be a JSON list of objects with kind, client_id and client_secret, "
            f"and for the kind oidc name and issuer: {error}"
        ) from None
    if len({one.key for one in found}) < len(found):
        raise ValueError("COMPTOIR_SIGN_IN_PROVIDERS names a key twice")
    return found


def _read(row: dict[str, str]) -> Provider:
    kind = row["kind"]
    name, issuer = READY.get(kind, ("", ""))
    name, issuer = row.get("name") or name, row.get("issuer") or issuer
    key = row.get("key") or kind
    if kind not in KINDS or not name or not issuer or not re.fullmatch(r"[a-z0-9-]{1,40}", key):
        raise TypeError(f"the entry {key!r} is not complete")
    return Provider(key, kind, name, issuer.rstrip("/"), row["client_id"], row["client_secret"])


def provider_errors(*, kind: str, name: str, issuer: str, client_id: str, client_secret: str) -> list[FieldError]:
    """Return what is wrong with a provider that an owner typed."""
    errors = []
    if kind not in KINDS:
        errors.append(FieldError("kind", "choice", N_("Choose one of the offered values.")))
    if not 1 <= len(name.strip()) <= 100 or not name.isprintable():  # noqa: PLR2004 - said in the message
        errors.append(FieldError("name", "length", N_("A name has 1 to 100 characters.")))
    if not re.fullmatch(r"https?://[^\s?#@\\]{1,480}", issuer):
        errors.append(FieldError("issuer", "url", N_("Write the issuer's address, beginning with https://.")))
    for field_name, value in (("client_id", client_id), ("client_secret", client_secret)):
        if not 1 <= len(value) <= LENGTH_MAX or not value.isprintable():
            errors.append(
                FieldError(field_name, "length", N_("Copy this from the provider; it has 1 to 500 characters."))
            )
    return errors


def expected_issuer(told: str, tenant: object) -> str:
    """Return the issuer that an identity must name: Microsoft writes a place for the tenant into its description."""
    known = isinstance(tenant, str) and re.fullmatch(r"[0-9a-f-]{36}", tenant)
    return told.replace("{tenantid}", str(tenant)) if known else told


def is_fresh(signed_in_at: float | None, *, since: int) -> bool:
    """Tell whether somebody signed in at a provider after they were sent there, by its clock (Core 1.0, 3.1.2.1)."""
    latest = since + FLOW_SECONDS + LEEWAY_SECONDS
    return signed_in_at is not None and since - LEEWAY_SECONDS <= signed_in_at <= latest
