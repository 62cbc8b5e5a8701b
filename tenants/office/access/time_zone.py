"""The time zone in which a workspace means the hours and days of conditions."""

from datetime import datetime
from functools import cache
from zoneinfo import available_timezones

from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.tenancy import commands as tenancy


@cache
def zones() -> tuple[str, ...]:
    """Return the names of time zones that can be chosen (IANA, by region), UTC first."""
    regions = (
        "Africa/",
        "America/",
        "Antarctica/",
        "Asia/",
        "Atlantic/",
        "Australia/",
        "Europe/",
        "Indian/",
        "Pacific/",
    )
    return ("UTC", *sorted(one for one in available_timezones() if one.startswith(regions)))


def set_time_zone(*, session: Session, actor: Actor, at: datetime, before: str, zone: str) -> None:
    """Mean hours and days of conditions in this time zone, from the next request on.

    Raises Invalid (time_zone).
    """
    if zone not in zones():
        message = N_("Write a time zone like Europe/Paris.")
        raise Invalid(errors=(FieldError("time_zone", "choice", message),))
    if zone == before:
        return
    tenant = bound_tenant(session)
    with on_platform(session):
        tenancy.set_time_zone(session=session, tenant_id=tenant.id, zone=zone)
        tenancy.raise_access_revision(session=session, tenant_id=tenant.id)
    record(
        session=session,
        actor=actor,
        at=at,
        action="tenant.time_zone_changed",
        object_type="tenant",
        object_id="time_zone",
        difference={"time_zone": (before, zone)},
    )
