"""JSON API of the time zone in which a workspace means hours and days."""

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.office.access import time_zone
from tenants.schemas import Body, WorkspacePath
from webapp.access.guard import requires
from webapp.access.permissions import Permission

bp = api_room("api_time_zone", __name__, tag="access")


class TimeZoneIn(Body):
    """A time zone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"time_zone": "Europe/Paris"}]})

    time_zone: str = Field(max_length=64, examples=["Europe/Paris"], description="A name of the IANA database.")


class TimeZoneOut(BaseModel):
    """The time zone of the workspace."""

    time_zone: str = Field(examples=["Europe/Paris"])


@bp.get("/time-zone", responses={200: TimeZoneOut}, operation_id="getTimeZone", summary="Get the time zone")
@requires(Permission.ACCESS_ROLES_READ)
def get_time_zone(path: WorkspacePath) -> Response:
    """Return the time zone in which hours and days of conditions are meant."""
    return jsonify(time_zone=g.tenant.time_zone)


@bp.put("/time-zone", responses={200: TimeZoneOut}, operation_id="setTimeZone", summary="Set the time zone")
@requires(Permission.POLICIES_OWN_ACTIVATE)
def set_time_zone(path: WorkspacePath, body: TimeZoneIn) -> Response:
    """Mean hours and days in this zone from the next request on; it is for owners, as policies are."""
    said = {"before": g.tenant.time_zone, "zone": body.time_zone}
    time_zone.set_time_zone(session=g.db, actor=g.actor, at=g.at, **said)
    return jsonify(time_zone=body.time_zone)
