"""JSON API of members and invitations."""

from typing import Annotated, Any
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.office.members import commands, queries
from tenants.office.members.owners import mind_owners
from tenants.schemas import Body, Instant, ListQuery, WorkspacePath, instant
from webapp.access.guard import requires
from webapp.access.permissions import Permission, Role
from webapp.kernel.errors import NotFound
from webapp.tenancy.queries import InvitationView
from webapp.web.addresses import outside
from webapp.web.pagination import answer_page, cut, read_cursor
from webapp.web.state import services

bp = api_room("api_members", __name__, tag="members")

INVITATION_PATH = "/invitations/"
"""Where the page that accepts an invitation lives."""


class MemberOut(BaseModel):
    """A member of the workspace."""

    person_id: UUID
    name: str
    email: str
    role: Role
    since: Instant


MemberList = page_of(MemberOut, "A page of members.")


class MemberQuery(ListQuery):
    """A page of members."""

    fields: fields_of(MemberOut) = None


class RoleIn(Body):
    """The role to give."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "accountant"}]})

    role: Annotated[Role, Field(strict=False, examples=["accountant"])]


class InvitationIn(Body):
    """Whom to invite, as what."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "nour@example.org", "role": "member"}]})

    email: str = Field(examples=["nour@example.org"], min_length=3, max_length=254)
    role: Annotated[Role, Field(strict=False, examples=["member"])] = Role.MEMBER


class InvitationOut(BaseModel):
    """An open invitation; its link goes by mail only."""

    id: UUID
    email: str
    role: Role
    created_at: Instant
    expires_at: Instant


InvitationList = page_of(InvitationOut, "A page of open invitations.")


class InvitationQuery(ListQuery):
    """A page of open invitations."""

    fields: fields_of(InvitationOut) = None


class MemberPath(WorkspacePath):
    """One member of a workspace."""

    person_id: UUID


class InvitationPath(WorkspacePath):
    """One invitation into a workspace."""

    invitation_id: UUID


def member_out(row: queries.MemberRow) -> dict[str, Any]:
    """Write a member for JSON."""
    return {
        "person_id": str(row.person_id),
        "name": row.name,
        "email": row.email,
        "role": row.role,
        "since": instant(row.since),
    }


def invitation_out(row: InvitationView) -> dict[str, Any]:
    """Write an invitation for JSON."""
    return {
        "id": str(row.id),
        "email": row.email,
        "role": row.role,
        "created_at": instant(row.created_at),
        "expires_at": instant(row.expires_at),
    }


@bp.get("/members", responses={200: MemberList}, operation_id="listMembers", summary="List members")
@requires(Permission.MEMBERS_MEMBERS_READ)
def list_members(path: WorkspacePath, query: MemberQuery) -> Response:
    """Members, longest first."""
    position = read_cursor("members", query.cursor)
    rows = [
        row
        for row in queries.members(session=g.db)
        if position is None or [instant(row.since), str(row.person_id)] > position
    ]
    page, cursor = cut(rows, query.limit, "members", lambda row: [instant(row.since), str(row.person_id)])
    return answer_page([member_out(row) for row in page], cursor)


@bp.get("/members/<uuid:person_id>", responses={200: MemberOut}, operation_id="getMember", summary="Get a member")
@requires(Permission.MEMBERS_MEMBERS_READ)
def get_member(path: MemberPath) -> Response:
    """One member."""
    row = queries.member(session=g.db, person_id=path.person_id)
    if row is None:
        raise NotFound
    return jsonify(member_out(row))


@bp.put(
    "/members/<uuid:person_id>",
    responses={200: MemberOut},
    operation_id="changeMember",
    summary="Change a member's role",
)
@requires(Permission.MEMBERS_MEMBERS_WRITE)
def change_member(path: MemberPath, body: RoleIn) -> Response:
    """Give a member another role; the last owner stays one."""
    mind_owners(person_id=path.person_id, role=body.role)
    commands.change_role(session=g.db, actor=g.actor, at=g.at, person_id=path.person_id, role=body.role)
    return get_member(path)


@bp.delete("/members/<uuid:person_id>", responses={204: None}, operation_id="removeMember", summary="Remove a member")
@requires(Permission.MEMBERS_MEMBERS_WRITE)
def remove_member(path: MemberPath) -> Response:
    """Take a member's place away; the last owner stays."""
    mind_owners(person_id=path.person_id)
    commands.remove_member(session=g.db, actor=g.actor, at=g.at, person_id=path.person_id)
    return Response(status=204)


@bp.get(
    "/invitations", responses={200: InvitationList}, operation_id="listInvitations", summary="List open invitations"
)
@requires(Permission.MEMBERS_MEMBERS_READ)
def list_invitations(path: WorkspacePath, query: InvitationQuery) -> Response:
    """Open invitations, newest first."""
    position = read_cursor("invitations", query.cursor)
    rows = sorted(queries.invitations(session=g.db, at=g.at), key=_place, reverse=True)
    rows = [row for row in rows if position is None or _place(row) < position]
    page, cursor = cut(rows, query.limit, "invitations", _place)
    return answer_page([invitation_out(row) for row in page], cursor)


def _place(row: InvitationView) -> list[str]:
    return [instant(row.created_at), str(row.id)]


@bp.post("/invitations", responses={201: InvitationOut}, operation_id="invite", summary="Invite somebody")
@requires(Permission.MEMBERS_MEMBERS_WRITE)
def invite(path: WorkspacePath, body: InvitationIn) -> Response:
    """Send a link for one address; it works once, for seven days."""
    mind_owners(role=body.role)
    secret, invitation_id = services().new_secret(), services().new_id()
    draft = commands.InvitationDraft(body.email, body.role, secret, outside(INVITATION_PATH + secret))
    commands.invite(
        session=g.db,
        actor=g.actor,
        at=g.at,
        invitation_id=invitation_id,
        job_id=services().new_id(),
        draft=draft,
        workspace=g.tenant.name,
        invited_by=g.person.name or g.person.email,
        language=g.person.language,
    )
    response = jsonify(invitation_out(_open_invitation(invitation_id)))
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/t/{g.slug}/invitations/{invitation_id}"
    return response


@bp.get(
    "/invitations/<uuid:invitation_id>",
    responses={200: InvitationOut},
    operation_id="getInvitation",
    summary="Get an open invitation",
)
@requires(Permission.MEMBERS_MEMBERS_READ)
def get_invitation(path: InvitationPath) -> Response:
    """One open invitation."""
    return jsonify(invitation_out(_open_invitation(path.invitation_id)))


@bp.delete(
    "/invitations/<uuid:invitation_id>",
    responses={204: None},
    operation_id="revokeInvitation",
    summary="Withdraw an invitation",
)
@requires(Permission.MEMBERS_MEMBERS_WRITE)
def revoke_invitation(path: InvitationPath) -> Response:
    """Withdraw an open invitation; its link no longer works."""
    commands.revoke_invitation(session=g.db, actor=g.actor, at=g.at, invitation_id=path.invitation_id)
    return Response(status=204)


def _open_invitation(invitation_id: UUID) -> InvitationView:
    for row in queries.invitations(session=g.db, at=g.at):
        if row.id == invitation_id:
            return row
    raise NotFound
