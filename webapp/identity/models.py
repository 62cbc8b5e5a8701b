"""Tables of identity: people, service accounts, sessions, API tokens, one-time links."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from webapp.identity.rules import address_key
from webapp.kernel.db import PlatformBase
from webapp.kernel.sealed import sealed

Instant = DateTime(timezone=True)
_PERSON = "platform.person.id"


class Person(PlatformBase):
    """A human with a sign-in."""

    __tablename__ = "person"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email_sealed: Mapped[bytes] = mapped_column(
        LargeBinary, info=sealed("person.email/person/{id}", said=address_key, marked="person.email/platform")
    )
    email_blind: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    name_sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed("person.name/person/{id}"))
    password_hash: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    theme: Mapped[str] = mapped_column(Text)
    density: Mapped[str] = mapped_column(Text)
    is_operator: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(Instant)
    disabled_at: Mapped[datetime | None] = mapped_column(Instant)
    email_verified_at: Mapped[datetime | None] = mapped_column(Instant)


class SignInSession(PlatformBase):
    """A browser's sign-in, kept at the server so that it can be listed and revoked."""

    __tablename__ = "session"
    __table_args__ = (Index("session_person", "person_id", "created_at"),)

    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(Instant)
    seen_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    user_agent: Mapped[str] = mapped_column(Text)
    source_address: Mapped[str] = mapped_column(Text)
    seen_address: Mapped[str] = mapped_column(Text)
    confirmed_at: Mapped[datetime] = mapped_column(Instant)
    second_factor_at: Mapped[datetime | None] = mapped_column(Instant)
    is_renewal_due: Mapped[bool]
    sso_tenant_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    only_tenant_id: Mapped[UUID | None]


class ServiceAccount(PlatformBase):
    """A machine's identity in one workspace: it calls the API and never signs in."""

    __tablename__ = "service_account"
    __table_args__ = (
        Index(
            "service_account_name",
            "tenant_id",
            text("lower(name)"),
            unique=True,
            postgresql_where=text("disabled_at IS NULL"),
        ),
        Index("service_account_tenant", "tenant_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("platform.tenant.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[UUID]
    disabled_at: Mapped[datetime | None] = mapped_column(Instant)


class Totp(PlatformBase):
    """A person's app that makes codes; `last_step` is the newest 30 seconds whose code was used."""

    __tablename__ = "totp"

    person_id: Mapped[UUID] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"), primary_key=True)
    secret_sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed("totp.secret_sealed/person/{person_id}"))
    last_step: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)


class RecoveryCode(PlatformBase):
    """A code that stands in for a lost second factor, once; only its hash is kept."""

    __tablename__ = "recovery_code"

    person_id: Mapped[UUID] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"), primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)


class Passkey(PlatformBase):
    """A person's passkey: its public half, under a name of theirs; `copied_at` says when two of it were seen."""

    __tablename__ = "passkey"
    __table_args__ = (Index("passkey_person", "person_id", "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"))
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(Text)
    is_synced: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)
    copied_at: Mapped[datetime | None] = mapped_column(Instant)


class HalfSignIn(PlatformBase):
    """A browser that showed the first factor and must show the second; it may nothing until then."""

    __tablename__ = "half_sign_in"
    __table_args__ = (Index("half_sign_in_expiry", "expires_at"),)

    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"))
    target: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)


class PasskeyChallenge(PlatformBase):
    """What a passkey is asked to sign; its row goes when it is answered, so that no answer counts twice."""

    __tablename__ = "passkey_challenge"
    __table_args__ = (Index("passkey_challenge_expiry", "expires_at"),)

    challenge_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"))
    expires_at: Mapped[datetime] = mapped_column(Instant)


class Token(PlatformBase):
    """An API token of a person or a service account for one workspace.

    Only the hash of its secret is kept, and of the one before for a time.
    """

    __tablename__ = "token"
    __table_args__ = (
        Index("token_tenant", "tenant_id", "person_id", "created_at"),
        Index("token_service_account", "service_account_id"),
        Index("token_person", "person_id"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("platform.tenant.id", ondelete="CASCADE"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"))
    service_account_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("platform.service_account.id", ondelete="CASCADE")
    )
    name: Mapped[str] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    networks: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    rotated_at: Mapped[datetime | None] = mapped_column(Instant)
    former_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    former_until: Mapped[datetime | None] = mapped_column(Instant)


class Lock(PlatformBase):
    """Failures in a row under one limit of the sign-in, and until when it is locked; keys are hashes."""

    __tablename__ = "sign_in_lock"
    __table_args__ = (Index("sign_in_lock_kept", "kept_until"),)

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int]
    failed_at: Mapped[datetime | None] = mapped_column(Instant)
    step: Mapped[int]
    locked_until: Mapped[datetime | None] = mapped_column(Instant)
    kept_until: Mapped[datetime] = mapped_column(Instant)


class OneTimeLink(PlatformBase):
    """A link that works once: the first operator's, the one that the terminal prints, and those that go by mail."""

    __tablename__ = "one_time_link"
    __table_args__ = (Index("one_time_link_person", "person_id"),)

    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)
    browser_hash: Mapped[bytes | None] = mapped_column(LargeBinary)


class EmailChange(PlatformBase):
    """A change of address that waits for both mailboxes; ended when it took effect or was withdrawn."""

    __tablename__ = "email_change"
    __table_args__ = (Index("email_change_person", "person_id", "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"))
    old_sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed("email_change.old/person/{person_id}/{id}"))
    new_sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed("email_change.new/person/{person_id}/{id}"))
    old_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    new_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    old_confirmed_at: Mapped[datetime | None] = mapped_column(Instant)
    new_confirmed_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
