"""Who may do what: roles as a table, each role's page, grants, and answers to who may and why."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.access import commands, queries
from tenants.office.access.answers import ACCOUNTS, GRANTS, answer_of, place_of, read_place
from webapp.access.door import givable, permitted_wholly
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.money import currencies
from webapp.web.fields import field_errors
from webapp.web.pagination import LIMIT_DEFAULT, cut
from webapp.web.problem import translate
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("office_access", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/access")
@requires(Permission.ACCESS_OWN_READ)
def mine() -> Response:
    """Show what one may do here."""
    return render(
        "office/access/mine.html",
        rooms=by_room(permitted_wholly()),
        role=role_words()[g.role.value],
        own=g.asker.own_roles,
    )


@bp.get("/access/roles")
@requires(Permission.ACCESS_ROLES_READ)
def list_roles() -> Response:
    """Show which role may do what."""
    return _roles_page()


@bp.post("/access/roles")
@requires(Permission.ACCESS_ROLES_WRITE, confirm=True)
def make_role() -> Response:
    """Make a role of the workspace's own."""
    draft = commands.RoleDraft(_text("name"), _text("title"), read_shape())
    try:
        commands.make_role(session=g.db, actor=g.actor, at=g.at, draft=draft, giver=givable())
    except (Invalid, Conflict) as error:
        return _roles_page(status=422, values=draft, errors=_at_fields(error, "name"))
    flash(_("The role was made. Now say who has it."), "success")
    return see_other(url_for("office_access.show_role", access_role=draft.name))


@bp.get("/access/roles/<access_role>")
@requires(Permission.ACCESS_ROLES_READ)
def show_role(access_role: str) -> Response:
    """Show one role: what it permits, the policy, who has it."""
    return _role_page(access_role)


@bp.post("/access/roles/<access_role>")
@requires(Permission.ACCESS_ROLES_WRITE, confirm=True)
def change_role(access_role: str) -> Response:
    """Change one of the workspace's own roles."""
    draft = commands.RoleDraft(access_role, _text("title"), read_shape())
    try:
        commands.change_role(session=g.db, actor=g.actor, at=g.at, draft=draft, giver=givable())
    except Invalid as error:
        return _role_page(access_role, status=422, values=draft, errors=_at_fields(error, "title"))
    flash(_("The role was changed. It holds from the next click on."), "success")
    return see_other(url_for("office_access.show_role", access_role=access_role))


@bp.post("/access/roles/<access_role>/members")
@requires(Permission.ACCESS_ROLES_WRITE, confirm=True)
def assign(access_role: str) -> Response:
    """Say who has one of the workspace's own roles."""
    people = frozenset(UUID(one) for one in request.form.getlist("person_ids") if _is_uuid(one))
    try:
        commands.assign(session=g.db, actor=g.actor, at=g.at, name=access_role, person_ids=people, giver=givable())
    except Invalid as error:
        return _role_page(access_role, status=422, errors=_at_fields(error, "person_ids"))
    flash(_("Who has the role was changed. It holds from the next click on."), "success")
    return see_other(url_for("office_access.show_role", access_role=access_role))


@bp.post("/access/roles/<access_role>/removal")
@requires(Permission.ACCESS_ROLES_WRITE, confirm=True)
def remove_role(access_role: str) -> Response:
    """Remove one of the workspace's own roles."""
    commands.remove_role(session=g.db, actor=g.actor, at=g.at, name=access_role)
    flash(_("The role was removed, from its members too."), "success")
    return see_other(url_for("office_access.list_roles"))


@bp.get("/access/grants")
@requires(Permission.ACCESS_ROLES_READ)
def list_grants() -> Response:
    """Show what single members may besides their roles."""
    return _grants_page()


@bp.post("/access/grants")
@requires(Permission.ACCESS_GRANTS_WRITE, confirm=True)
def grant() -> Response:
    """Permit a member something until a day's end (UTC)."""
    values = {name: _text(name) for name in ("person_id", "until", "note")}
    shape = read_shape()
    try:
        commands.grant(
            session=g.db,
            actor=g.actor,
            at=g.at,
            grant_id=services().new_id(),
            person_id=UUID(values["person_id"]) if _is_uuid(values["person_id"]) else UUID(int=0),
            shape=shape,
            until=_day_end(values["until"]),
            note=values["note"],
            giver=givable(),
        )
    except (Invalid, Conflict) as error:
        return _grants_page(status=422, values=values, shape=shape, errors=_at_fields(error, "permissions"))
    flash(_("It is permitted from now on."), "success")
    return see_other(url_for("office_access.list_grants"))


@bp.post("/access/grants/<uuid:access_grant_id>/revocation")
@requires(Permission.ACCESS_GRANTS_WRITE, confirm=True)
def revoke_grant(access_grant_id: UUID) -> Response:
    """End a grant before its time."""
    commands.revoke_grant(session=g.db, actor=g.actor, at=g.at, grant_id=access_grant_id)
    flash(_("The grant was ended."), "success")
    return see_other(url_for("office_access.list_grants"))


@bp.get("/access/explanation")
@requires(Permission.ACCESS_ROLES_READ)
def explanation() -> Response:
    """Answer who may, what a member may, or whether and why."""
    person, permission = request.args.get("person_id", ""), request.args.get("permission", "")
    account = request.args.get("account_id", type=int)
    answer = None
    if person or permission:
        answer = answer_of(UUID(person) if _is_uuid(person) else None, permission, account)
    decision = answer and answer["decision"]
    return render(
        "office/access/explanation.html",
        members=queries.members(session=g.db),
        permissions=[one.value for one in Permission],
        values={"person_id": person, "permission": permission, "account_id": str(account or "")},
        account_options=current_app.extensions[ACCOUNTS](),
        answer=answer,
        reason=translate(decision.reason, decision.params) if decision else "",
        rooms=by_room(answer["may"]) if answer else {},
    )


def role_words() -> dict[str, str]:
    """Return what people read of the roles that come with Comptoir."""
    return {
        "owner": _("Owner"),
        "admin": _("Admin"),
        "accountant": _("Accountant"),
        "technician": _("Technician"),
        "member": _("Member"),
        "auditor": _("Auditor"),
        "customer": _("Customer"),
    }


def by_room(permissions: Any) -> dict[str, list[str]]:
    """Gather permissions by their room, in order."""
    found: dict[str, list[str]] = {}
    for one in sorted(permissions):
        found.setdefault(one.partition(":")[0], []).append(one)
    return found


def read_shape() -> commands.ShapeDraft:
    """Read what was chosen and typed of permissions and conditions."""
    return commands.ShapeDraft(
        tuple(request.form.getlist("permissions")),
        "second_factor" in request.form,
        _text("networks"),
        _text("begins"),
        _text("ends"),
        "working_days" in request.form,
        _text("account"),
        _text("amount"),
        _text("currency"),
    )


def limits() -> dict[str, Any]:
    """Return what a role or a grant can be limited to: accounts, as the rooms of money tell them, and currencies."""
    accounts: list[tuple[str, str]] = current_app.extensions[ACCOUNTS]()
    return {
        "account_options": accounts,
        "account_names": dict(accounts),
        "currency_options": [(code, code) for code in currencies()],
        "currency": g.tenant.base_currency,
    }


def _roles_page(
    *, status: int = 200, values: commands.RoleDraft | None = None, errors: dict[str, str] | None = None
) -> Response:
    return render(
        "office/access/roles.html",
        status=status,
        **limits(),
        roles=queries.roles(session=g.db),
        words=role_words(),
        permissions=[one.value for one in Permission],
        offered=sorted(givable()),
        values=values or commands.RoleDraft("", ""),
        errors=errors or {},
    )


def _role_page(
    name: str, *, status: int = 200, values: commands.RoleDraft | None = None, errors: dict[str, str] | None = None
) -> Response:
    role = queries.role(session=g.db, name=name)
    if role is None:
        raise NotFound
    shape = commands.ShapeDraft(tuple(sorted(role.permissions)), **(role.own.conditions if role.own else {}))
    return render(
        "office/access/role.html",
        status=status,
        **limits(),
        role=role,
        words=role_words(),
        rooms=by_room(role.permissions),
        members=queries.members(session=g.db),
        offered=sorted({one.value for one in givable()} | role.permissions),
        values=values or commands.RoleDraft(name, role.title, shape),
        errors=errors or {},
    )


def _grants_page(
    *,
    status: int = 200,
    values: dict[str, str] | None = None,
    shape: commands.ShapeDraft | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    members, cursor = queries.members(session=g.db), request.args.get("cursor")
    rows = queries.grants(session=g.db, limit=LIMIT_DEFAULT + 1, before=read_place(cursor))
    page, older = cut(rows, LIMIT_DEFAULT, GRANTS, place_of)
    return render(
        "office/access/grants.html",
        status=status,
        **limits(),
        grants=page,
        first_href=url_for("office_access.list_grants") if cursor else None,
        next_href=url_for("office_access.list_grants", cursor=older) if older else None,
        members=members,
        names={one.person_id: one.name or one.email for one in members},
        offered=sorted(givable()),
        at=g.at,
        values={"person_id": "", "until": "", "note": ""} | (values or {}),
        shape=shape or commands.ShapeDraft(()),
        errors=errors or {},
    )


def _at_fields(error: Invalid | Conflict, field: str) -> dict[str, str]:
    errors = field_errors(error)
    return {field: errors["form"]} if "form" in errors else errors


def _text(name: str) -> str:
    return request.form.get(name, "").strip()


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _day_end(text: str) -> datetime:
    try:
        return datetime.fromisoformat(f"{text}T23:59:59").replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
