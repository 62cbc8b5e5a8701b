"""Acts on passwords: keep one, compare one; kept with Argon2id."""

import threading
from datetime import datetime
from functools import cache
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import update
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.identity.models import Person
from webapp.identity.notices import tell
from webapp.identity.password_rules import LENGTH_MAX, normalised, password_errors
from webapp.identity.sessions import revoke_sessions
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, DomainError, Invalid

HASHES_AT_ONCE = 2
"""Argon2id takes 64 MiB and 150 ms: more at once would starve what is not a sign-in."""
HASH_WAIT_SECONDS = 20

_hasher = PasswordHasher()
_turn = threading.BoundedSemaphore(HASHES_AT_ONCE)


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


def hash_password(password: str) -> str:
    """Return what is kept of a password."""
    return _hasher.hash(normalised(password))


def set_password(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    person_id: UUID,
    email: str,
    password: str,
    name: str = "",
    has_second_factor: bool = False,
) -> None:
    """Set a new password and end every session of the person, who is told by mail.

    Raises Invalid (password).
    """
    if errors := password_errors(password, email=email, name=name, has_second_factor=has_second_factor):
        raise Invalid(errors=tuple(errors))
    session.execute(update(Person).where(Person.id == person_id).values(password_hash=hash_password(password)))
    revoke_sessions(session=session, actor=actor, at=at, person_id=person_id)
    record(session=session, actor=actor, at=at, action="person.password_set", object_type="person", object_id=person_id)
    tell(session=session, actor=actor, at=at, person_id=person_id, kind="password_changed", params={})


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
    # What is longer than a password can be is nobody's: nothing is cut off and then accepted.
    password = normalised(password[: LENGTH_MAX * 4])
    if len(password) > LENGTH_MAX:
        stored = None
    try:
        _hasher.verify(_nobody() if stored is None else stored[1], password)
    except (VerificationError, InvalidHashError):
        raise SignInRefused from None
    finally:
        _turn.release()
    if stored is None:
        raise SignInRefused
    return stored[0]
