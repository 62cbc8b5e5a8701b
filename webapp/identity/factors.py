"""What a person can show besides a password; on a transaction bound to the platform."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.identity.models import Passkey, Person, RecoveryCode, Totp

PASSKEYS_MAX = 20


@dataclass(frozen=True, slots=True)
class PasskeyView:
    """A passkey as its person sees it; `copied_at` says when it was refused because two of it are about."""

    id: UUID
    name: str
    is_synced: bool
    created_at: datetime
    used_at: datetime | None
    copied_at: datetime | None


@dataclass(frozen=True, slots=True)
class Factors:
    """Everything by which a person can show who they are."""

    has_password: bool
    app_since: datetime | None
    passkeys: list[PasskeyView]
    recovery_codes_left: int

    @property
    def has_second(self) -> bool:
        """Tell whether a password alone opens no session."""
        return self.app_since is not None or bool(self.passkeys)


def factors_of(*, session: Session, person_id: UUID) -> Factors:
    """Return what a person can show; passkeys oldest first, at most 20."""
    has_password = select(Person.password_hash.is_not(None)).where(Person.id == person_id).scalar_subquery()
    app_since = select(Totp.created_at).where(Totp.person_id == person_id).scalar_subquery()
    unused = (RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None))
    left = select(func.count()).select_from(RecoveryCode).where(*unused).scalar_subquery()
    row = session.execute(select(has_password, app_since, left)).one()
    columns = (Passkey.id, Passkey.name, Passkey.is_synced, Passkey.created_at, Passkey.used_at, Passkey.copied_at)
    keys = session.execute(
        select(*columns).where(Passkey.person_id == person_id).order_by(Passkey.created_at).limit(PASSKEYS_MAX)
    )
    return Factors(bool(row[0]), row[1], [PasskeyView(*one) for one in keys], row[2])


def has_second_factor(*, session: Session, person_id: UUID) -> bool:
    """Tell whether a password alone opens no session of this person."""
    app = select(Totp.person_id).where(Totp.person_id == person_id)
    key = select(Passkey.person_id).where(Passkey.person_id == person_id)
    return session.execute(app.union_all(key).limit(1)).first() is not None
