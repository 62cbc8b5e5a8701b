"""How people can be reached, and what they are called, at rest: sealed; an address is found by its mark."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.identity.rules import address_key
from webapp.kernel.crypto import of_person, of_platform, ring_of

EMAIL, NAME = "person.email", "person.name"
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:address, 0))")


def sealed_email(*, session: Session, person_id: UUID, email: str) -> dict[str, Any]:
    """Return the columns of a person in which their address is kept: sealed, and its mark."""
    ring = ring_of(session)
    return {
        "email_sealed": ring.seal(email.encode(), context=of_person(EMAIL, person_id)),
        "email_blind": ring.blind(address_key(email), context=of_platform(EMAIL)),
    }


def sealed_name(*, session: Session, person_id: UUID, name: str) -> bytes:
    """Return a person's name as it is kept."""
    return ring_of(session).seal(name.encode(), context=of_person(NAME, person_id))


def opened_email(*, session: Session, person_id: UUID, kept: bytes) -> str:
    """Return a person's address."""
    return ring_of(session).open(bytes(kept), context=of_person(EMAIL, person_id)).decode()


def opened_name(*, session: Session, person_id: UUID, kept: bytes) -> str:
    """Return a person's name."""
    return ring_of(session).open(bytes(kept), context=of_person(NAME, person_id)).decode()


def marks(*, session: Session, email: str) -> tuple[bytes, ...]:
    """Return the marks under which an address may be kept, in any case of its letters."""
    return ring_of(session).blinds(address_key(email), context=of_platform(EMAIL))


def marks_to_take(*, session: Session, email: str) -> tuple[bytes, ...]:
    """Return the same for who is about to give the address to somebody: until the commit nobody else can.

    While keys are rotated an address may be kept under the mark of one key or the next, and the unique index would not
    see that both are the same. So one at a time asks, and reads the keys after it is their turn.
    """
    session.execute(_LOCK, {"address": address_key(email)})
    return ring_of(session).blinds(address_key(email), context=of_platform(EMAIL), anew=True)
