"""The doors' side of passkeys: what a browser is asked, and its answer, whose challenge counts once."""

import secrets
from urllib.parse import urlsplit
from uuid import UUID

from flask import Response, g, request

from webapp.identity.passkeys import Answer, Site, keep_challenge, read_answer, take_challenge
from webapp.kernel.db import bind_platform
from webapp.web.state import services
from webapp.web.unit import close_unit, open_unit

CHALLENGE_BYTES = 32


def site() -> Site:
    """Return what passkeys are bound to: the public address; in the embedded run the one that was asked for.

    That run calls itself 127.0.0.1, to which no passkey can be bound; under localhost it has passkeys.
    """
    settings = services().settings
    public = settings.base_url if settings.secure else ""
    parts = urlsplit(public or request.host_url)
    return Site(parts.hostname or "", f"{parts.scheme}://{parts.netloc}")


def new_challenge(purpose: str, person_id: UUID | None) -> bytes:
    """Make a challenge and remember what it is for, and for whom."""
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    at = services().clock()
    keep_challenge(session=g.db, at=at, challenge=challenge, purpose=purpose, person_id=person_id)
    return challenge


def asked(allowed: list[bytes], challenge: bytes) -> Response:
    """Return what a browser asks a passkey: any of this site's, or one of `allowed`, with its PIN, finger or face."""
    from webauthn import generate_authentication_options, options_to_json  # noqa: PLC0415 costs a start time
    from webauthn.helpers.structs import (  # noqa: PLC0415 costs a start time
        PublicKeyCredentialDescriptor,
        UserVerificationRequirement,
    )

    options = generate_authentication_options(
        rp_id=site().name,
        challenge=challenge,
        allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in allowed],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _as_json(options_to_json(options))


def asked_for_new(known: list[bytes], challenge: bytes) -> Response:
    """Return how a browser makes a passkey for the person: one that it finds by itself, on a device that has none."""
    from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415 costs a start time
    from webauthn.helpers.structs import (  # noqa: PLC0415 costs a start time
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=site().name,
        rp_name="Comptoir",
        user_id=g.person.id.bytes,
        user_name=g.person.email,
        user_display_name=g.person.name or g.person.email,
        challenge=challenge,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
    )
    return _as_json(options_to_json(options))


def answered(field: str, purpose: str, person_id: UUID | None) -> Answer:
    """Read the answer in a field of the form; its challenge is used up and that is committed, whatever comes of it.

    Raises PasskeyRefused.
    """
    answer = read_answer(request.form.get(field, ""), is_new=purpose == "registration")
    try:
        take_challenge(session=g.db, at=services().clock(), answer=answer, purpose=purpose, person_id=person_id)
    finally:
        close_unit(commit=True)
        bind_platform(open_unit())
    return answer


def _as_json(text: str) -> Response:
    return Response(text, content_type="application/json", headers={"Cache-Control": "no-store"})
