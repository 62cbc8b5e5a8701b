"""Acts on one-time links, on a transaction bound to the platform."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from webapp.identity.models import OneTimeLink
from webapp.identity.rules import hash_secret
from webapp.kernel.errors import N_, DomainError

LINK_LIFE = timedelta(hours=24)


class LinkSpent(DomainError):
    """A one-time link was used or is too old."""

    code = "link_spent"
    status = 410
    title = N_("This link no longer works")
    message = N_("The link was used already or has expired. Ask for a new one.")


class SignInLinkSpent(LinkSpent):
    """A sign-in link was used, is too old or was never made."""

    message = N_(
        "The link was used already or has expired. Whoever runs this installation makes a new one with: "
        "comptoir person link --email ADDRESS"
    )


def make_link(*, session: Session, at: datetime, secret: str, purpose: str, person_id: UUID | None) -> None:
    """Keep a one-time link (24 hours); `secret` is its last part."""
    if purpose == "first_operator":
        spend_first_operator_links(session, at)
    session.execute(
        insert(OneTimeLink).values(
            secret_hash=hash_secret(secret),
            purpose=purpose,
            person_id=person_id,
            created_at=at,
            expires_at=at + LINK_LIFE,
        ),
    )


def spend_first_operator_links(session: Session, at: datetime) -> None:
    """Let at most one link to the first operator live: the newest, until somebody has used it."""
    session.execute(
        update(OneTimeLink)
        .where(OneTimeLink.purpose == "first_operator", OneTimeLink.used_at.is_(None))
        .values(used_at=at),
    )


def use_link(*, session: Session, at: datetime, secret: str, purpose: str) -> UUID | None:
    """Use a one-time link up, whoever is first, and return the person that it names.

    Raises LinkSpent.
    """
    row = session.execute(
        update(OneTimeLink)
        .where(
            OneTimeLink.secret_hash == hash_secret(secret),
            OneTimeLink.purpose == purpose,
            OneTimeLink.used_at.is_(None),
            OneTimeLink.expires_at > at,
        )
        .values(used_at=at)
        .returning(OneTimeLink.person_id),
    ).first()
    if row is None:
        raise SignInLinkSpent if purpose == "sign_in" else LinkSpent
    if purpose == "first_operator":
        spend_first_operator_links(session, at)
    person_id: UUID | None = row[0]
    return person_id
