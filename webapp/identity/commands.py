"""Acts of identity, on a transaction bound to the platform: people, passwords, sessions, tokens, links."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import func, insert, literal, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.identity import queries
from webapp.identity.models import OneTimeLink, Person, SignInSession, Token
from webapp.identity.rules import (
    NETWORKS_MAX,
    PASSWORD_LENGTH_MAX,
    PASSWORD_LENGTH_MIN,
    format_token,
    hash_secret,
    is_email,
    is_name,
    network,
    password_problem,
)
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, DomainError, FieldError, Invalid, NotFound

TOKEN_LIFE = timedelta(days=90)
TOKEN_LIFE_MAX = timedelta(days=366)
TOKENS_MAX = 100
OVERLAP_MAX = timedelta(days=7)
NAME_LENGTH_MAX = 200
TOKEN_NAME_LENGTH_MAX = 100
LINK_LIFE = timedelta(hours=24)
SEEN_EVERY = timedelta(minutes=1)

HASHES_AT_ONCE = 2
"""Argon2id takes 64 MiB and 150 ms: more at once would starve what is not a sign-in."""
HASH_WAIT_SECONDS = 20

_hasher = PasswordHasher()
_turn = threading.BoundedSemaphore(HASHES_AT_ONCE)

PASSWORD_PROBLEMS = {
    "password_short": N_("The password needs at least %(minimum)s characters; several words are fine."),
    "password_long": N_("The password may have at most %(maximum)s characters."),
    "password_common": N_("This password is too easy to guess."),
}


class SignInRefused(DomainError):
    """Address and password do not belong together; which of them is wrong is not told."""

    code = "sign_in_refused"
    status = 422
    title = N_("Sign-in was refused")
    message = N_("The address and the password do not belong together. Check both and try again.")


class SignInBusy(DomainError):
    """Too many passwords are being compared; none was looked at."""

    code = "sign_in_busy"
    status = 503
    title = N_("Not available at the moment")
    message = N_("Many people are signing in just now. Please try again in a moment.")


class LinkSpent(DomainError):
    """A one-time link was used or is too old."""

    code = "link_spent"
    status = 410
    title = N_("This link no longer works")
    message = N_("The link was used already or has expired. Ask for a new one.")


class EmailTaken(Conflict):
    """Another person signs in with this address."""

    code = "email_taken"
    message = N_("Another person already signs in with %(email)s.")


class TooManyTokens(Conflict):
    """A person has as many live tokens as one may have."""

    code = "too_many_tokens"
    message = N_("You already have %(maximum)s tokens here. Revoke one first.")


def add_person(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    person_id: UUID,
    email: str,
    name: str,
    password: str | None,
    is_operator: bool = False,
    language: str = "en",
) -> UUID:
    """Add a person; without a password they come in by invitation or link only.

    Raises Invalid (email, name, password), EmailTaken.
    """
    errors = []
    email = email.strip()
    if not is_email(email):
        errors.append(FieldError("email", "email", N_("This is not an e-mail address.")))
    if not is_name(name, NAME_LENGTH_MAX):
        errors.append(FieldError("name", "length", N_("A name has 1 to 200 characters.")))
    errors += _password_errors(password, email=email)
    if errors:
        raise Invalid(errors=tuple(errors))
    if queries.person_by_email(session=session, email=email) is not None:
        raise EmailTaken(email=email)
    session.execute(
        insert(Person).values(
            id=person_id,
            email=email,
            name=name,
            password_hash=None if password is None else _hasher.hash(password),
            language=language,
            theme="system",
            density="comfortable",
            is_operator=is_operator,
            created_at=at,
        ),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="person.added",
        object_type="person",
        object_id=person_id,
        difference={"email": (None, email), "is_operator": (None, is_operator)},
    )
    return person_id


def _password_errors(password: str | None, *, email: str) -> list[FieldError]:
    if password is None:
        return []
    problem = password_problem(password, email=email)
    if problem is None:
        return []
    params = {"minimum": PASSWORD_LENGTH_MIN, "maximum": PASSWORD_LENGTH_MAX}
    return [FieldError("password", problem, PASSWORD_PROBLEMS[problem], params)]


def set_password(*, session: Session, actor: Actor, at: datetime, person_id: UUID, email: str, password: str) -> None:
    """Set a new password and end every session of the person.

    Raises Invalid (password).
    """
    if errors := _password_errors(password, email=email):
        raise Invalid(errors=tuple(errors))
    session.execute(update(Person).where(Person.id == person_id).values(password_hash=_hasher.hash(password)))
    revoke_sessions(session=session, actor=actor, at=at, person_id=person_id)
    record(session=session, actor=actor, at=at, action="person.password_set", object_type="person", object_id=person_id)


@cache
def _nobody() -> str:
    """Return a hash that no password has; it costs an unknown address the time of a known one."""
    return _hasher.hash("nobody has this password")


def verify_password(*, stored: tuple[UUID, str] | None, password: str) -> UUID:
    """Compare a password (150 ms of Argon2id, for unknown addresses too) and return the person's id.

    Call it outside a transaction. Raises SignInRefused, SignInBusy.
    """
    if not _turn.acquire(timeout=HASH_WAIT_SECONDS):
        raise SignInBusy
    try:
        _hasher.verify(_nobody() if stored is None else stored[1], password[:PASSWORD_LENGTH_MAX])
    except (VerificationError, InvalidHashError):
        raise SignInRefused from None
    finally:
        _turn.release()
    if stored is None:
        raise SignInRefused
    return stored[0]


def open_session(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    session_id: UUID,
    secret: str,
    person_id: UUID,
    life: timedelta,
    user_agent: str,
) -> None:
    """Begin a browser's session; `secret` goes into the cookie, its hash into the table."""
    session.execute(
        insert(SignInSession).values(
            secret_hash=hash_secret(secret),
            id=session_id,
            person_id=person_id,
            created_at=at,
            seen_at=at,
            expires_at=at + life,
            user_agent=user_agent[:300],
            source_address=actor.source_address,
        ),
    )
    record(session=session, actor=actor, at=at, action="session.opened", object_type="session", object_id=session_id)


def touch_session(*, session: Session, session_id: UUID, seen_at: datetime, at: datetime) -> None:
    """Note that a session is in use, at most once a minute."""
    if at - seen_at >= SEEN_EVERY:
        session.execute(update(SignInSession).where(SignInSession.id == session_id).values(seen_at=at))


def revoke_session(*, session: Session, actor: Actor, at: datetime, person_id: UUID, session_id: UUID) -> None:
    """End one session of a person.

    Raises NotFound.
    """
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        update(SignInSession)
        .where(
            SignInSession.id == session_id,
            SignInSession.person_id == person_id,
            SignInSession.revoked_at.is_(None),
        )
        .values(revoked_at=at),
    )
    if result.rowcount == 0:
        raise NotFound
    record(session=session, actor=actor, at=at, action="session.revoked", object_type="session", object_id=session_id)


def revoke_sessions(*, session: Session, actor: Actor, at: datetime, person_id: UUID) -> None:
    """End every session of a person."""
    session.execute(
        update(SignInSession)
        .where(SignInSession.person_id == person_id, SignInSession.revoked_at.is_(None))
        .values(revoked_at=at),
    )
    record(session=session, actor=actor, at=at, action="session.revoked_all", object_type="person", object_id=person_id)


def change_preferences(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    person_id: UUID,
    name: str,
    language: str,
    theme: str,
    density: str,
) -> None:
    """Change how the product looks to a person, and their name.

    Raises Invalid (name, language, theme, density).
    """
    errors = []
    if not is_name(name, NAME_LENGTH_MAX):
        errors.append(FieldError("name", "length", N_("A name has 1 to 200 characters.")))
    for field, value, allowed in (
        ("language", language, {"en", "fr", "ar"}),
        ("theme", theme, {"system", "light", "dark"}),
        ("density", density, {"comfortable", "compact"}),
    ):
        if value not in allowed:
            errors.append(FieldError(field, "choice", N_("Choose one of the offered values.")))
    if errors:
        raise Invalid(errors=tuple(errors))
    before = session.execute(
        select(Person.name, Person.language, Person.theme, Person.density).where(Person.id == person_id),
    ).one()
    after = {"name": name, "language": language, "theme": theme, "density": density}
    session.execute(update(Person).where(Person.id == person_id).values(**after))
    difference = {key: (getattr(before, key), value) for key, value in after.items() if getattr(before, key) != value}
    record(
        session=session,
        actor=actor,
        at=at,
        action="person.preferences_changed",
        object_type="person",
        object_id=person_id,
        difference=difference,
    )


def create_token(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    token_id: str,
    secret: str,
    tenant_id: UUID,
    person_id: UUID,
    name: str,
    scopes: frozenset[str],
    known_scopes: tuple[str, ...],
    life: timedelta = TOKEN_LIFE,
    networks: Sequence[str] = (),
) -> str:
    """Make an API token and return it whole, the only time that it can be seen.

    `networks` are those from which alone it works; none means from everywhere.
    Raises Invalid (name, scopes, days, networks), TooManyTokens.
    """
    errors = []
    known_networks = [network(one) for one in networks]
    if None in known_networks:
        wrong = networks[known_networks.index(None)]
        errors.append(
            FieldError("networks", "network", N_("%(text)s is no network; write 192.0.2.0/24."), {"text": wrong})
        )
    elif len(networks) > NETWORKS_MAX:
        errors.append(FieldError("networks", "many", N_("A token names at most 20 networks.")))
    if not is_name(name, TOKEN_NAME_LENGTH_MAX):
        errors.append(FieldError("name", "length", N_("A name has 1 to 100 characters.")))
    if not scopes or scopes - set(known_scopes):
        errors.append(FieldError("scopes", "choice", N_("Choose at least one of the offered scopes.")))
    if not timedelta(0) < life <= TOKEN_LIFE_MAX:
        errors.append(FieldError("days", "range", N_("A token lives 1 to 366 days.")))
    if errors:
        raise Invalid(errors=tuple(errors))
    live = session.scalar(
        select(func.count()).where(
            Token.tenant_id == tenant_id,
            Token.person_id == person_id,
            Token.revoked_at.is_(None),
            Token.expires_at > at,
        ),
    )
    if (live or 0) >= TOKENS_MAX:
        raise TooManyTokens(maximum=TOKENS_MAX)
    whole = format_token(token_id, secret)
    secret_part = whole[len(f"cpt_live_{token_id}_") : -8]
    session.execute(
        insert(Token).values(
            id=token_id,
            secret_hash=hash_secret(secret_part),
            tenant_id=tenant_id,
            person_id=person_id,
            name=name,
            scopes=sorted(scopes),
            networks=known_networks,
            created_at=at,
            expires_at=at + life,
        ),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="token.created",
        object_type="token",
        object_id=token_id,
        difference={
            "name": (None, name),
            "scopes": (None, sorted(scopes)),
            **({"networks": (None, known_networks)} if networks else {}),
        },
    )
    return whole


def rotate_token(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    tenant_id: UUID,
    token_id: str,
    secret: str,
    overlap: timedelta,
) -> str:
    """Give a living token of the acting person a new secret and return it whole, the only time that it can be seen.

    The secret until now works on for `overlap`, at most until it would have expired; the one before it ends at once.
    The token lives as long from now on as it was made for. Raises NotFound, Invalid (overlap_hours).
    """
    if not timedelta(0) <= overlap <= OVERLAP_MAX:
        raise Invalid(
            errors=(FieldError("overlap_hours", "range", N_("The old secret can go on working for 0 to 168 hours.")),)
        )
    whole = format_token(token_id, secret)
    row = session.execute(
        update(Token)
        .where(
            Token.id == token_id,
            Token.tenant_id == tenant_id,
            Token.person_id == actor.person_id,
            Token.revoked_at.is_(None),
            Token.expires_at > at,
        )
        .values(
            former_hash=Token.secret_hash,
            former_until=func.least(at + overlap, Token.expires_at),
            secret_hash=hash_secret(whole[len(f"cpt_live_{token_id}_") : -8]),
            expires_at=literal(at) + (Token.expires_at - func.coalesce(Token.rotated_at, Token.created_at)),
            rotated_at=at,
        )
        .returning(Token.former_until),
    ).first()
    if row is None:
        raise NotFound
    record(
        session=session,
        actor=actor,
        at=at,
        action="token.rotated",
        object_type="token",
        object_id=token_id,
        difference={"former_until": (None, row[0].isoformat())},
    )
    return whole


def revoke_token(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    tenant_id: UUID,
    token_id: str,
    person_id: UUID | None,
) -> None:
    """Revoke a token of the workspace, of one person only if named.

    Raises NotFound.
    """
    query = update(Token).where(Token.id == token_id, Token.tenant_id == tenant_id, Token.revoked_at.is_(None))
    if person_id is not None:
        query = query.where(Token.person_id == person_id)
    result: CursorResult[Any] = session.execute(query.values(revoked_at=at))  # type: ignore[assignment]
    if result.rowcount == 0:
        raise NotFound
    record(session=session, actor=actor, at=at, action="token.revoked", object_type="token", object_id=token_id)


def touch_token(*, session: Session, token_id: str, used_at: datetime | None, at: datetime) -> None:
    """Note that a token is in use, at most once a minute."""
    if used_at is None or at - used_at >= SEEN_EVERY:
        session.execute(update(Token).where(Token.id == token_id).values(used_at=at))


def make_link(*, session: Session, at: datetime, secret: str, purpose: str, person_id: UUID | None) -> None:
    """Keep a one-time link (24 hours); `secret` is its last part."""
    if purpose == "first_operator":
        _spend_first_operator_links(session, at)
    session.execute(
        insert(OneTimeLink).values(
            secret_hash=hash_secret(secret),
            purpose=purpose,
            person_id=person_id,
            created_at=at,
            expires_at=at + LINK_LIFE,
        ),
    )


def _spend_first_operator_links(session: Session, at: datetime) -> None:
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
        raise LinkSpent
    if purpose == "first_operator":
        _spend_first_operator_links(session, at)
    person_id: UUID | None = row[0]
    return person_id
