"""JSON API of roles, grants and explanations: who may do what in the workspace, and why."""

from typing import Annotated, Any
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.office.access import commands, queries
from tenants.office.access.answers import GRANTS, answer_of, place_of, read_place
from tenants.schemas import (
    AmountText,
    Asked,
    Body,
    CurrencyCode,
    Id,
    Instant,
    InstantIn,
    ListQuery,
    WorkspacePath,
    instant,
)
from webapp.access.door import givable, permitted_wholly
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.access.queries import GrantView
from webapp.kernel.errors import NotFound
from webapp.web.pagination import answer_page, cut, read_cursor
from webapp.web.problem import translate
from webapp.web.state import services

bp = api_room("api_access", __name__, tag="access")

Chosen = Annotated[list[str], Field(min_length=1, max_length=200, examples=[["ledger:entries:read"]])]


class ConditionsIn(Body):
    """When it is permitted: everything that is said must hold. Times of the day are UTC."""

    second_factor: bool = False
    networks: list[str] = Field([], max_length=10, examples=[["192.0.2.0/24"]])
    begins: str = Field("", examples=["08:00"], max_length=5)
    ends: str = Field("", examples=["18:00"], max_length=5)
    working_days: bool = Field(False, description="From Monday to Friday.")
    account_id: Id | None = Field(None, description="Only on this account, with all below it.")
    amount: AmountText | None = Field(None, description="At most so much for each entry that is booked.")
    currency: CurrencyCode | None = Field(None, description="Of the amount; nothing in other currencies.")


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


class OwnOut(BaseModel):
    """What whoever asks may do here, narrowed by their token."""

    role: str
    own_roles: list[str]
    permissions: list[str]


class QuestionQuery(Asked):
    """Whether one member may, or who may, or what a member may."""

    person_id: UUID | None = None
    permission: str | None = Field(None, max_length=80)
    account_id: Id | None = Field(None, description="Of this account; of the whole workspace when it is not given.")


class ExplanationOut(BaseModel):
    """The answer: of one member and one permission a decision with its reason, else who may, or what a member may."""

    permit: bool | None = None
    reason: str = ""
    policies: list[str] = []
    missing: list[str] = []
    person_ids: list[UUID] = Field([], description="Who may do what was asked about.")
    permissions: list[str] = Field([], description="What the member may do.")


def _shape(permissions: list[str], conditions: ConditionsIn) -> commands.ShapeDraft:
    return commands.ShapeDraft(
        tuple(permissions),
        conditions.second_factor,
        " ".join(conditions.networks),
        conditions.begins,
        conditions.ends,
        conditions.working_days,
        str(conditions.account_id or ""),
        conditions.amount or "",
        conditions.currency or "",
    )


def _role_out(row: queries.RoleView, members: list[queries.Member]) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "is_own": row.is_own,
        "permissions": sorted(row.permissions),
        "policy": row.policy,
        "person_ids": [str(one.person_id) for one in members if row.name in {one.role.value, *one.own_roles}],
    }


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


@bp.get("/access/own", responses={200: OwnOut}, operation_id="getOwnAccess", summary="See what you may do")
@requires(Permission.ACCESS_OWN_READ)
def own(path: WorkspacePath) -> Response:
    """Tell what whoever asks may do here."""
    told = {"role": g.role.value, "own_roles": list(g.asker.own_roles), "permissions": sorted(permitted_wholly())}
    return jsonify(told)


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
    draft = commands.RoleDraft(body.name, body.title, _shape(body.permissions, body.conditions))
    commands.make_role(session=g.db, actor=g.actor, at=g.at, draft=draft, giver=givable())
    response = _one_role(body.name)
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/t/{g.slug}/access/roles/{body.name}"
    return response


@bp.put("/access/roles/<access_role>", responses={200: RoleOut}, operation_id="changeRole", summary="Change a role")
@requires(Permission.ACCESS_ROLES_WRITE, confirm=True)
def change_role(path: RolePath, body: OwnRoleIn) -> Response:
    """Change one of the workspace's own roles; it holds from the next request on."""
    draft = commands.RoleDraft(path.access_role, body.title, _shape(body.permissions, body.conditions))
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
        shape=_shape(body.permissions, body.conditions),
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


@bp.get(
    "/access/explanation", responses={200: ExplanationOut}, operation_id="explainAccess", summary="Ask who may, and why"
)
@requires(Permission.ACCESS_ROLES_READ)
def explanation(path: WorkspacePath, query: QuestionQuery) -> Response:
    """Answer whether a member may, and why; of a member alone what they may, of a permission alone who may."""
    answer = answer_of(query.person_id, query.permission or "", query.account_id)
    decision = answer["decision"]
    told: dict[str, Any] = {
        "permit": decision.permit if decision else None,
        "reason": translate(decision.reason, decision.params) if decision else "",
        "policies": list(decision.policies) if decision else [],
        "missing": list(decision.missing) if decision else [],
        "person_ids": [str(one.person_id) for one in answer["people"]],
        "permissions": sorted(answer["may"]),
    }
    return jsonify(told)
