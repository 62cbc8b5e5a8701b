"""JSON API of roles: what each permits, and who has it."""

from typing import Annotated, Any
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.office.access import commands, queries
from tenants.office.access.shapes import Chosen, ConditionsIn, shape_of
from tenants.schemas import Body, ListQuery, WorkspacePath
from webapp.access.door import givable
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import NotFound
from webapp.web.pagination import answer_page, cut, read_cursor

bp = api_room("api_access_roles", __name__, tag="access")


class RoleOut(BaseModel):
    """A role: one that comes with Comptoir, or one of the workspace's own."""

    name: str
    title: str
    is_own: bool
    permissions: list[str]
    policy: str = Field(description="The Cedar policy that decides it.")
    person_ids: list[UUID] = Field(description="Members who have it.")


RoleList = page_of(RoleOut, "The roles that come with Comptoir, then the workspace's own.")


class RoleQuery(ListQuery):
    """A page of roles."""

    fields: fields_of(RoleOut) = None


class RolePath(WorkspacePath):
    """One role."""

    access_role: str = Field(max_length=40)


class OwnRoleIn(Body):
    """What one of the workspace's own roles is called, and what it permits."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Night desk", "permissions": ["ledger:entries:read"]}]}
    )

    title: str = Field(min_length=1, max_length=80, examples=["Night desk"])
    permissions: Chosen
    conditions: ConditionsIn = ConditionsIn()


class NewRoleIn(OwnRoleIn):
    """A new role of the workspace's own."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "night-desk", "title": "Night desk", "permissions": ["ledger:entries:read"]}]
        }
    )

    name: str = Field(pattern="^[a-z][a-z0-9-]{0,39}$", examples=["night-desk"])


class HoldersIn(Body):
    """The members who have the role from now on, and nobody else."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"person_ids": []}]})

    person_ids: list[Annotated[UUID, Field(strict=False)]] = Field(max_length=500)


def _role_out(row: queries.RoleView, members: list[queries.Member]) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "is_own": row.is_own,
        "permissions": sorted(row.permissions),
        "policy": row.policy,
        "person_ids": [str(one.person_id) for one in members if row.name in {one.role.value, *one.own_roles}],
    }


@bp.get("/access/roles", responses={200: RoleList}, operation_id="listRoles", summary="List roles")
@requires(Permission.ACCESS_ROLES_READ)
def list_roles(path: WorkspacePath, query: RoleQuery) -> Response:
    """Every role, with what it permits and who has it."""
    position = read_cursor("access_roles", query.cursor)
    rows = list(enumerate(queries.roles(session=g.db)))
    rows = [row for row in rows if position is None or row[0] > position[0]]
    page, cursor = cut(rows, query.limit, "access_roles", lambda row: [row[0]])
    members = queries.members(session=g.db)
    return answer_page([_role_out(row, members) for _number, row in page], cursor)


@bp.get("/access/roles/<access_role>", responses={200: RoleOut}, operation_id="getRole", summary="Get a role")
@requires(Permission.ACCESS_ROLES_READ)
def get_role(path: RolePath) -> Response:
    """One role."""
    return _one_role(path.access_role)


def _one_role(name: str) -> Response:
    found = queries.role(session=g.db, name=name)
    if found is None:
        raise NotFound
    return jsonify(_role_out(found, queries.members(session=g.db)))


@bp.post("/access/roles", responses={201: RoleOut}, operation_id="makeRole", summary="Make a role of your own")
@requires(Permission.ACCESS_ROLES_WRITE, confirm=True)
def make_role(path: WorkspacePath, body: NewRoleIn) -> Response:
    """Make a role with no more than you may yourself."""
    draft = commands.RoleDraft(body.name, body.title, shape_of(body.permissions, body.conditions))
    commands.make_role(session=g.db, actor=g.actor, at=g.at, draft=draft, giver=givable())
    response = _one_role(body.name)
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/t/{g.slug}/access/roles/{body.name}"
    return response


@bp.put("/access/roles/<access_role>", responses={200: RoleOut}, operation_id="changeRole", summary="Change a role")
@requires(Permission.ACCESS_ROLES_WRITE, confirm=True)
def change_role(path: RolePath, body: OwnRoleIn) -> Response:
    """Change one of the workspace's own roles; it holds from the next request on."""
    draft = commands.RoleDraft(path.access_role, body.title, shape_of(body.permissions, body.conditions))
    commands.change_role(session=g.db, actor=g.actor, at=g.at, draft=draft, giver=givable())
    return _one_role(path.access_role)


@bp.delete("/access/roles/<access_role>", responses={204: None}, operation_id="removeRole", summary="Remove a role")
@requires(Permission.ACCESS_ROLES_WRITE, confirm=True)
def remove_role(path: RolePath) -> Response:
    """Remove one of the workspace's own roles, from whoever has it too."""
    commands.remove_role(session=g.db, actor=g.actor, at=g.at, name=path.access_role)
    return Response(status=204)


@bp.put(
    "/access/roles/<access_role>/members",
    responses={200: RoleOut},
    operation_id="assignRole",
    summary="Say who has a role",
)
@requires(Permission.ACCESS_ROLES_WRITE, confirm=True)
def assign(path: RolePath, body: HoldersIn) -> Response:
    """Let exactly these members have one of the workspace's own roles."""
    people = frozenset(body.person_ids)
    commands.assign(session=g.db, actor=g.actor, at=g.at, name=path.access_role, person_ids=people, giver=givable())
    return _one_role(path.access_role)
