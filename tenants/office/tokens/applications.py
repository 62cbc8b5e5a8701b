"""Programs of others that people of the workspace may let act for them: on the platform's tables and in the trail."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from tenants.office.tokens.commands import Bounds, offered
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform
from webapp.oauth import commands as oauth
from webapp.oauth import queries
from webapp.oauth.queries import ClientView


@dataclass(frozen=True, slots=True)
class ApplicationDraft:
    """What a program is called, where people are sent back to, what it may ask for, how its tokens are signed."""

    name: str
    redirect_uris: tuple[str, ...]
    scopes: frozenset[str]
    is_public: bool
    alg: str = "RS256"


def applications(*, session: Session) -> list[ClientView]:
    """Return the workspace's registered programs, those that work first (at most 500)."""
    tenant = bound_tenant(session)
    with on_platform(session):
        return queries.clients(session=session, tenant_id=tenant.id)


def application(*, session: Session, client_id: str) -> ClientView | None:
    """Return one of them."""
    return next((one for one in applications(session=session) if one.id == client_id), None)


def register_application(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    client_id: str,
    secret: str,
    useful: frozenset[str],
    within: Bounds,
    draft: ApplicationDraft,
) -> None:
    """Register a program; `secret` is its own unless it is public, `useful` are the scopes of the acting person.

    Raises Invalid (name, redirect_uris, scopes, alg).
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        oauth.register_client(
            session=session,
            actor=actor,
            at=at,
            client_id=client_id,
            tenant_id=tenant.id,
            secret=None if draft.is_public else secret,
            name=draft.name,
            redirect_uris=draft.redirect_uris,
            scopes=draft.scopes,
            known_scopes=offered(useful, within.scopes),
            alg=draft.alg,
        )
    record(
        session=session,
        actor=actor,
        at=at,
        action="application.registered",
        object_type="application",
        object_id=client_id,
        difference={
            "name": (None, draft.name),
            "redirect_uris": (None, list(draft.redirect_uris)),
            "scopes": (None, sorted(draft.scopes)),
            "public": (None, draft.is_public),
        },
    )


def disable_application(*, session: Session, actor: Actor, at: datetime, client_id: str) -> None:
    """Disable a program for good; every token of it is refused from the next call on.

    Raises NotFound.
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        oauth.disable_client(session=session, actor=actor, at=at, tenant_id=tenant.id, client_id=client_id)
    record(
        session=session,
        actor=actor,
        at=at,
        action="application.disabled",
        object_type="application",
        object_id=client_id,
    )
