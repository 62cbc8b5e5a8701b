"""Tables of the authorization server: clients, what people granted them, refresh tokens, signing keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Index, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import PlatformBase
from webapp.kernel.sealed import sealed

Instant = DateTime(timezone=True)
_TENANT = "platform.tenant.id"


class OauthClient(PlatformBase):
    """A program of somebody else that a workspace registered; one without a secret is public."""

    __tablename__ = "oauth_client"
    __table_args__ = (Index("oauth_client_tenant", "tenant_id", "created_at"),)

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey(_TENANT, ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    secret_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(Text))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    alg: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[UUID]
    disabled_at: Mapped[datetime | None] = mapped_column(Instant)


class OauthGrant(PlatformBase):
    """What a person granted a client: an authorization code first, then a family of refresh tokens."""

    __tablename__ = "oauth_grant"
    __table_args__ = (
        Index("oauth_grant_client", "client_id", "created_at"),
        Index("oauth_grant_person", "person_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("platform.oauth_client.id", ondelete="CASCADE"))
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey(_TENANT, ondelete="CASCADE"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("platform.person.id", ondelete="CASCADE"))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    code_expires_at: Mapped[datetime] = mapped_column(Instant)
    code_used_at: Mapped[datetime | None] = mapped_column(Instant)
    redirect_uri: Mapped[str] = mapped_column(Text)
    code_challenge: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)


class OauthRefresh(PlatformBase):
    """One refresh token of a family; it works once."""

    __tablename__ = "oauth_refresh"
    __table_args__ = (Index("oauth_refresh_grant", "grant_id"),)

    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("platform.oauth_grant.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)


class OauthKey(PlatformBase):
    """A key that signs access tokens; its private half is sealed."""

    __tablename__ = "oauth_key"
    __table_args__ = (Index("oauth_key_alg", "alg", "created_at"),)

    kid: Mapped[str] = mapped_column(Text, primary_key=True)
    alg: Mapped[str] = mapped_column(Text)
    private: Mapped[bytes] = mapped_column(LargeBinary, info=sealed("oauth_key.private/platform"))
    public: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
