"""Set a workspace's single sign-on up: on the platform's tables and in the workspace's trail."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform
from webapp.sso import commands as sso
from webapp.sso import queries
from webapp.sso.queries import ProviderView
from webapp.tenancy import commands as tenancy
from webapp.tenancy import queries as registry


@dataclass(frozen=True, slots=True)
class ProviderDraft:
    """What an owner copies from the provider; an empty secret keeps the one that is there, of the same client."""

    kind: str
    name: str
    issuer: str
    client_id: str
    client_secret: str
    is_only_way: bool = False


def provider(*, session: Session) -> ProviderView | None:
    """Return the workspace's provider, without its secret."""
    tenant = bound_tenant(session)
    with on_platform(session):
        return queries.provider_view(session=session, tenant_id=tenant.id)


def set_provider(*, session: Session, actor: Actor, at: datetime, draft: ProviderDraft) -> None:
    """Set the provider up and say whether members come in through it alone.

    Raises Invalid (kind, name, issuer, client_id, client_secret).
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        before = queries.provider_of(session=session, tenant_id=tenant.id)
        keeps = before is not None and (before.client_id, before.issuer) == (draft.client_id, draft.issuer.rstrip("/"))
        sso.set_provider(
            session=session,
            actor=actor,
            at=at,
            tenant_id=tenant.id,
            kind=draft.kind,
            name=draft.name,
            issuer=draft.issuer,
            client_id=draft.client_id,
            client_secret=draft.client_secret or (before.client_secret if before is not None and keeps else ""),
        )
        registered = registry.tenant_by_id(session=session, tenant_id=tenant.id)
        was_only_way = registered is not None and registered.sso_only
        if was_only_way != draft.is_only_way:
            tenancy.set_sso_only(session=session, actor=actor, at=at, tenant_id=tenant.id, sso_only=draft.is_only_way)
    after = {"name": draft.name, "issuer": draft.issuer, "client_id": draft.client_id}
    record(
        session=session,
        actor=actor,
        at=at,
        action="sso.provider_set",
        object_type="single_sign_on",
        object_id="provider",
        difference={key: (before and getattr(before, key), value) for key, value in after.items()}
        | {"is_only_way": (was_only_way, draft.is_only_way)},
    )


def remove_provider(*, session: Session, actor: Actor, at: datetime) -> None:
    """Take the provider away; members come in with their own passwords and passkeys again.

    Raises NotFound.
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        sso.remove_provider(session=session, actor=actor, at=at, tenant_id=tenant.id)
        tenancy.set_sso_only(session=session, actor=actor, at=at, tenant_id=tenant.id, sso_only=False)
    record(
        session=session,
        actor=actor,
        at=at,
        action="sso.provider_removed",
        object_type="single_sign_on",
        object_id="provider",
    )
