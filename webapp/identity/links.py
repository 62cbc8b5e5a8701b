"""Acts on one-time links, on a transaction bound to the platform."""

import hmac
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import insert, select, update
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


class MailedLinkSpent(LinkSpent):
    """A link of a mail was used, is too old or was never made."""

    message = N_("The link was used already or has expired. Ask for a new one on the sign-in page.")


class OtherBrowser(DomainError):
    """A link is used in another browser than the one that asked for it."""

    code = "other_browser"
    status = 403
    title = N_("Open this link where you asked for it")
    message = N_(
        "The link works only in the browser in which you asked for it. Open it there, or ask for a new one here."
    )


def make_link(
    *,
    session: Session,
    at: datetime,
    secret: str,
    purpose: str,
    person_id: UUID | None,
    life: timedelta = LINK_LIFE,
    browser_hash: bytes | None = None,
) -> None:
    """Keep a one-time link (24 hours); `secret` is its last part, `browser_hash` of what alone can use it."""
    if purpose == "first_operator":
        spend_first_operator_links(session, at)
    session.execute(
        insert(OneTimeLink).values(
            secret_hash=hash_secret(secret),
            purpose=purpose,
            person_id=person_id,
            created_at=at,
            expires_at=at + life,
            browser_hash=browser_hash,
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


def person_of_link(*, session: Session, at: datetime, secret: str, purpose: str, browser: str = "") -> UUID:
    """Return whose link of a mail this is, without using it up.

    Raises LinkSpent, OtherBrowser.
    """
    row = session.execute(
        select(OneTimeLink.person_id, OneTimeLink.browser_hash).where(
            OneTimeLink.secret_hash == hash_secret(secret),
            OneTimeLink.purpose == purpose,
            OneTimeLink.used_at.is_(None),
            OneTimeLink.expires_at > at,
        ),
    ).first()
    if row is None or row[0] is None:
        raise MailedLinkSpent
    if row[1] is not None and not hmac.compare_digest(row[1], hash_secret(browser)):
        raise OtherBrowser
    person_id: UUID = row[0]
    return person_id


def use_mailed_link(*, session: Session, at: datetime, secret: str, purpose: str, browser: str = "") -> UUID:
    """Use a link of a mail up, whoever is first, and those of its kind that were sent to the person besides it.

    Raises LinkSpent, OtherBrowser.
    """
    person_id = person_of_link(session=session, at=at, secret=secret, purpose=purpose, browser=browser)
    use_link(session=session, at=at, secret=secret, purpose=purpose)
    spend_links(session=session, at=at, person_id=person_id, purposes=(purpose,))
    return person_id


def spend_links(*, session: Session, at: datetime, person_id: UUID, purposes: Collection[str]) -> None:
    """Let links of a person work no longer."""
    session.execute(
        update(OneTimeLink)
        .where(OneTimeLink.person_id == person_id, OneTimeLink.purpose.in_(purposes), OneTimeLink.used_at.is_(None))
        .values(used_at=at),
    )
