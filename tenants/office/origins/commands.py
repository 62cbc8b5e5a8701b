"""Let pages of other sites call the JSON API of a workspace from a browser, or no longer."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from tenants.office.origins.rules import ORIGINS_MAX, clean_origin
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.tenancy import commands, queries


def allowed(*, session: Session) -> list[str]:
    """Return the origins that the workspace lets in."""
    tenant = bound_tenant(session)
    with on_platform(session):
        return queries.origins(session=session, tenant_id=tenant.id)


def set_origins(*, session: Session, actor: Actor, at: datetime, origins: Sequence[str]) -> list[str]:
    """Let these origins in and no others; return them as they are kept.

    Raises Invalid (origins).
    """
    found: dict[str, None] = {}
    for one in origins:
        try:
            found[clean_origin(one)] = None
        except ValueError:
            said = N_("“%(origin)s” is no origin: write https:// and the host, without a path.")
            raise Invalid(errors=(FieldError("origins", "origin", said, {"origin": one[:80]}),)) from None
    if len(found) > ORIGINS_MAX:
        said = N_("A workspace lets at most %(maximum)s origins in.")
        raise Invalid(errors=(FieldError("origins", "too_many", said, {"maximum": ORIGINS_MAX}),))
    before, after = allowed(session=session), list(found)
    if after == before:
        return after
    tenant = bound_tenant(session)
    with on_platform(session):
        commands.set_origins(session=session, tenant_id=tenant.id, origins=after)
    record(
        session=session,
        actor=actor,
        at=at,
        action="origins.changed",
        object_type="origins",
        object_id="api",
        difference={"origins": (before, after)},
    )
    return after
