"""Members and invitations: who is in, as what, and the door for those to come."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.members import commands, queries
from tenants.office.members.owners import mind_owners
from webapp.access.door import roles_to_give
from webapp.access.guard import requires
from webapp.access.permissions import Permission, Role, offered
from webapp.kernel.errors import Conflict, Invalid
from webapp.web.addresses import outside
from webapp.web.fields import field_errors
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("office_members", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/members")
@requires(Permission.MEMBERS_MEMBERS_READ)
def list_members() -> Response:
    """List members and open invitations."""
    return _page()


@bp.post("/invitations")
@requires(Permission.MEMBERS_MEMBERS_WRITE, confirm=True)
def invite() -> Response:
    """Invite one address."""
    values = {name: request.form.get(name, "").strip() for name in ("email", "role")}
    try:
        role = commands.role_named(values["role"])
        mind_owners(role=role)
        draft = invitation_draft(values["email"], role)
        send_invitation(draft)
    except (Invalid, Conflict) as error:
        errors = field_errors(error)
        return _page(status=422, values=values, errors={"email": errors["form"]} if "form" in errors else errors)
    flash(_("The invitation is on its way to %(email)s.", email=values["email"]), "success")
    return see_other(url_for("office_members.list_members"))


def invitation_draft(email: str, role: Role) -> commands.InvitationDraft:
    """Make the link of a new invitation."""
    secret = services().new_secret()
    link = outside(url_for("tenancy.invitation", secret=secret))
    return commands.InvitationDraft(email, role, secret, link)


def send_invitation(draft: commands.InvitationDraft) -> UUID:
    """Invite in the name of the person who asks, and return the invitation's id."""
    invitation_id = services().new_id()
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
    return invitation_id


@bp.post("/invitations/<uuid:invitation_id>/revocation")
@requires(Permission.MEMBERS_MEMBERS_WRITE)
def revoke_invitation(invitation_id: UUID) -> Response:
    """Withdraw an invitation."""
    commands.revoke_invitation(session=g.db, actor=g.actor, at=g.at, invitation_id=invitation_id)
    flash(_("The invitation was withdrawn; its link no longer works."), "success")
    return see_other(url_for("office_members.list_members"))


@bp.post("/members/<uuid:person_id>/role")
@requires(Permission.MEMBERS_MEMBERS_WRITE, confirm=True)
def change_role(person_id: UUID) -> Response:
    """Give a member another role."""
    try:
        role = commands.role_named(request.form.get("role", ""))
        mind_owners(person_id=person_id, role=role)
        commands.change_role(session=g.db, actor=g.actor, at=g.at, person_id=person_id, role=role)
    except (Invalid, Conflict) as error:
        return _page(status=422, member_errors={person_id: _(error.text, **error.params)})
    flash(_("The role was changed. It holds from the next click on."), "success")
    return see_other(url_for("office_members.list_members"))


@bp.post("/members/<uuid:person_id>/removal")
@requires(Permission.MEMBERS_MEMBERS_WRITE, confirm=True)
def remove_member(person_id: UUID) -> Response:
    """Take a member's place away."""
    mind_owners(person_id=person_id)
    try:
        commands.remove_member(session=g.db, actor=g.actor, at=g.at, person_id=person_id)
    except Conflict as error:
        return _page(status=422, member_errors={person_id: _(error.text, **error.params)})
    flash(_("The member was removed, and their tokens with them."), "success")
    here = "tenancy.workspaces" if person_id == g.person.id else "office_members.list_members"
    return see_other(url_for(here))


def _page(
    *,
    status: int = 200,
    values: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    member_errors: dict[UUID, str] | None = None,
) -> Response:
    context: dict[str, Any] = {
        "members": queries.members(session=g.db),
        "invitations": queries.invitations(session=g.db, at=g.at),
        "roles": role_names(),
        "offered": [role.value for role in roles_to_give()],
        "shown": [role.value for role in offered(roles_to_give())],
        "values": values or {"email": "", "role": Role.MEMBER.value},
        "errors": errors or {},
        "member_errors": member_errors or {},
    }
    return render("office/members/members.html", status=status, **context)


def role_names() -> dict[str, tuple[str, str]]:
    """Return what people read of a role: its name and what it may."""
    return {
        "owner": (_("Owner"), _("Everything, including members and closing the workspace")),
        "admin": (_("Admin"), _("Everything but the owners’ affairs and closing the workspace")),
        "accountant": (_("Accountant"), _("Everything in the books, closes periods")),
        "technician": (_("Technician"), _("Sees colleagues; interventions follow with their rooms")),
        "member": (_("Member"), _("Books and imports entries")),
        "auditor": (_("Auditor"), _("Reads everything, changes nothing")),
        "customer": (_("Customer"), _("Sees only what they may do; their documents follow with their rooms")),
    }
