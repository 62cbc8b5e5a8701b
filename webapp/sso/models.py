"""Tables of single sign-on: the provider of a workspace, and whom a provider's subject is."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import PlatformBase
from webapp.kernel.sealed import sealed
from webapp.sso.rules import subject_key

Instant = DateTime(timezone=True)


class SsoProvider(PlatformBase):
    """The provider that a workspace's owner set up; its client secret is sealed."""

    __tablename__ = "sso_provider"

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("platform.tenant.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    issuer: Mapped[str] = mapped_column(Text)
    client_id: Mapped[str] = mapped_column(Text)
    client_secret: Mapped[bytes] = mapped_column(
        LargeBinary, info=sealed("sso_provider.client_secret/tenant/{tenant_id}")
    )
    changed_at: Mapped[datetime] = mapped_column(Instant)


class SsoIdentity(PlatformBase):
    """A subject of an issuer is this person: for the installation (scope 0), or within one workspace alone."""

    __tablename__ = "sso_identity"
    __table_args__ = (Index("sso_identity_person", "person_id"),)

    scope: Mapped[UUID] = mapped_column(primary_key=True)
    issuer: Mapped[str] = mapped_column(Text, primary_key=True)
    subject_blind: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    subject_sealed: Mapped[bytes] = mapped_column(
        LargeBinary,
        info=sealed(
            "sso_identity.subject/person/{person_id}", said=subject_key, marked="sso_identity.subject/platform"
        ),
    )
    person_id: Mapped[UUID] = mapped_column(ForeignKey("platform.person.id", ondelete="CASCADE"))
    linked_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime] = mapped_column(Instant)
