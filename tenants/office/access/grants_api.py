"""JSON API of grants: what one member may besides their roles, until a moment."""

from typing import Any
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.office.access import commands, queries
from tenants.office.access.answers import GRANTS, place_of, read_place
from tenants.office.access.shapes import Chosen, ConditionsIn, shape_of
from tenants.schemas import Body, Instant, InstantIn, ListQuery, WorkspacePath, instant
from webapp.access.door import givable
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.access.queries import GrantView
from webapp.kernel.errors import NotFound
from webapp.web.pagination import answer_page, cut
from webapp.web.state import services

bp = api_room("api_access_grants", __name__, tag="access")


class GrantOut(BaseModel):
    """What one member may besides their roles, until a moment."""

    id: UUID
    person_id: UUID
    permissions: list[str]
    policy: str
    note: str
    state: str
    created_at: Instant
    expires_at: Instant


GrantList = page_of(GrantOut, "A page of grants.")


class GrantQuery(ListQuery):
    """A page of grants."""

    fields: fields_of(GrantOut) = None


class GrantPath(WorkspacePath):
    """One grant."""

    access_grant_id: UUID


class GrantIn(Body):
    """Permit a member something until a moment."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "person_id": "00000000-0000-4000-8000-000000000017",
                    "permissions": ["ledger:entries:read"],
                    "until": "2027-01-31T18:00:00Z",
                }
            ]
        }
    )

    person_id: UUID = Field(strict=False)
    permissions: Chosen
    until: InstantIn
    note: str = Field("", max_length=200)
    conditions: ConditionsIn = ConditionsIn()


def _grant_out(row: GrantView) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "person_id": str(row.person_id),
        "permissions": row.permissions,
        "policy": row.policy,
        "note": row.note,
        "state": row.state(g.at),
        "created_at": instant(row.created_at),
        "expires_at": instant(row.expires_at),
    }


@bp.get("/access/grants", responses={200: GrantList}, operation_id="listGrants", summary="List grants")
@requires(Permission.ACCESS_ROLES_READ)
def list_grants(path: WorkspacePath, query: GrantQuery) -> Response:
    """Grants, newest first, those that are over as well."""
    rows = queries.grants(session=g.db, limit=query.limit + 1, before=read_place(query.cursor))
    page, cursor = cut(rows, query.limit, GRANTS, place_of)
    return answer_page([_grant_out(row) for row in page], cursor)


@bp.get(
    "/access/grants/<uuid:access_grant_id>", responses={200: GrantOut}, operation_id="getGrant", summary="Get a grant"
)
@requires(Permission.ACCESS_ROLES_READ)
def get_grant(path: GrantPath) -> Response:
    """One grant."""
    found = queries.grant(session=g.db, grant_id=path.access_grant_id)
    if found is None:
        raise NotFound
    return jsonify(_grant_out(found))


@bp.post("/access/grants", responses={201: GrantOut}, operation_id="grant", summary="Permit a member something")
@requires(Permission.ACCESS_GRANTS_WRITE, confirm=True)
def grant(path: WorkspacePath, body: GrantIn) -> Response:
    """Permit a member something until a moment, no more than you may yourself."""
    grant_id = services().new_id()
    commands.grant(
        session=g.db,
        actor=g.actor,
        at=g.at,
        grant_id=grant_id,
        person_id=body.person_id,
        shape=shape_of(body.permissions, body.conditions),
        until=body.until,
        note=body.note,
        giver=givable(),
    )
    response = get_grant(GrantPath(slug=g.slug, access_grant_id=grant_id))
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/t/{g.slug}/access/grants/{grant_id}"
    return response


@bp.delete(
    "/access/grants/<uuid:access_grant_id>", responses={204: None}, operation_id="revokeGrant", summary="End a grant"
)
@requires(Permission.ACCESS_GRANTS_WRITE, confirm=True)
def revoke_grant(path: GrantPath) -> Response:
    """End a grant before its time."""
    commands.revoke_grant(session=g.db, actor=g.actor, at=g.at, grant_id=path.access_grant_id)
    return Response(status=204)
