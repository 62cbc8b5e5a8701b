"""Service accounts: the workspace's machines, their tokens, and the way to stop one."""

import secrets
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.tokens import commands, queries, service_accounts
from tenants.office.tokens.forms import DAYS_CHOICES, DAYS_DEFAULT, OVERLAP_HOURS, read_token
from webapp.access.door import machine_roles, may_give_machine
from webapp.access.guard import requires, scopes_of_role
from webapp.access.permissions import Permission, Role, offered
from webapp.identity.queries import ServiceAccountView
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.web.fields import field_errors
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("office_service_accounts", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/service-accounts")
@requires(Permission.TOKENS_TOKENS_READ)
def list_accounts() -> Response:
    """List service accounts."""
    return _list_page()


@bp.post("/service-accounts")
@requires(Permission.TOKENS_TOKENS_ADMINISTER, confirm=True)
def create_account() -> Response:
    """Make a service account and go to it: there it gets its first token."""
    made, values = services().new_id(), _typed()
    try:
        service_accounts.add_service_account(
            session=g.db,
            actor=g.actor,
            at=g.at,
            service_account_id=made,
            may_give=may_give_machine,
            draft=_draft(values),
        )
    except (Invalid, Conflict) as error:
        return _list_page(status=422, values=values, errors=field_errors(error))
    flash(_("The service account is there. Make its first token now."), "success")
    return see_other(url_for("office_service_accounts.show_account", service_account_id=made))


@bp.get("/service-accounts/<uuid:service_account_id>")
@requires(Permission.TOKENS_TOKENS_READ)
def show_account(service_account_id: UUID) -> Response:
    """Show one with its tokens."""
    return _page(service_account_id)


@bp.post("/service-accounts/<uuid:service_account_id>")
@requires(Permission.TOKENS_TOKENS_ADMINISTER, confirm=True)
def change_account(service_account_id: UUID) -> Response:
    """Change name, role and note."""
    values = _typed()
    try:
        service_accounts.change_service_account(
            session=g.db,
            actor=g.actor,
            at=g.at,
            service_account_id=service_account_id,
            may_give=may_give_machine,
            draft=_draft(values),
        )
    except (Invalid, Conflict) as error:
        return _page(service_account_id, status=422, account_values=values, account_errors=field_errors(error))
    flash(_("Saved. It holds from the machine's next call on."), "success")
    return see_other(url_for("office_service_accounts.show_account", service_account_id=service_account_id))


@bp.post("/service-accounts/<uuid:service_account_id>/disablement")
@requires(Permission.TOKENS_TOKENS_ADMINISTER, confirm=True)
def disable_account(service_account_id: UUID) -> Response:
    """Disable it for good."""
    service_accounts.disable_service_account(
        session=g.db, actor=g.actor, at=g.at, service_account_id=service_account_id
    )
    flash(_("The service account is disabled; none of its tokens opens anything any more."), "success")
    return see_other(url_for("office_service_accounts.show_account", service_account_id=service_account_id))


@bp.post("/service-accounts/<uuid:service_account_id>/tokens")
@requires(Permission.TOKENS_TOKENS_ADMINISTER, confirm=True)
def create_token(service_account_id: UUID) -> Response:
    """Make a token and show it, once."""
    values, draft = read_token(request.form)
    try:
        whole = service_accounts.create_token(
            session=g.db,
            actor=g.actor,
            at=g.at,
            service_account_id=service_account_id,
            token_id=secrets.token_hex(8),
            secret=services().new_secret(),
            may_give=may_give_machine,
            within=commands.Bounds(),
            draft=draft,
        )
    except (Invalid, Conflict) as error:
        return _page(service_account_id, status=422, values=values, errors=field_errors(error))
    return _page(service_account_id, status=201, made=whole)


@bp.post("/service-accounts/<uuid:service_account_id>/tokens/<token_id>/rotation")
@requires(Permission.TOKENS_TOKENS_ADMINISTER, confirm=True)
def rotate_token(service_account_id: UUID, token_id: str) -> Response:
    """Give a token a new secret and show it, once; the old one works for a day more."""
    whole = service_accounts.rotate_token(
        session=g.db,
        actor=g.actor,
        at=g.at,
        service_account_id=service_account_id,
        token_id=token_id,
        secret=services().new_secret(),
        may_give=may_give_machine,
        within=commands.Bounds(),
        overlap_hours=OVERLAP_HOURS,
    )
    rows = queries.service_account_tokens(session=g.db, service_account_id=service_account_id, token_id=token_id)
    return _page(service_account_id, status=201, made=whole, rotated=rows[0])


@bp.post("/service-accounts/<uuid:service_account_id>/tokens/<token_id>/revocation")
@requires(Permission.TOKENS_TOKENS_ADMINISTER, confirm=True)
def revoke_token(service_account_id: UUID, token_id: str) -> Response:
    """Revoke a token."""
    service_accounts.revoke_token(
        session=g.db, actor=g.actor, at=g.at, service_account_id=service_account_id, token_id=token_id
    )
    flash(_("The token was revoked; it no longer opens anything."), "success")
    return see_other(url_for("office_service_accounts.show_account", service_account_id=service_account_id))


def _typed() -> dict[str, str]:
    return {name: request.form.get(name, "").strip() for name in ("name", "role", "note")}


def _draft(values: dict[str, str]) -> service_accounts.ServiceAccountDraft:
    return service_accounts.ServiceAccountDraft(**values)


def role_words() -> dict[str, str]:
    """Return what people read of a machine's role."""
    return {
        "admin": _("Admin"),
        "accountant": _("Accountant"),
        "technician": _("Technician"),
        "member": _("Member"),
        "auditor": _("Auditor"),
        "customer": _("Customer"),
    }


def _roles() -> list[tuple[str, str]]:
    names = [role.value for role in offered(machine_roles())]
    return [(name, role_words().get(name, name)) for name in names]


def _list_page(*, status: int = 200, **context: Any) -> Response:
    shown = {
        "accounts": queries.service_accounts(session=g.db),
        "roles": _roles(),
        "role_words": role_words(),
        "values": {"name": "", "role": Role.AUDITOR.value, "note": ""},
        "errors": {},
    }
    return render("office/tokens/service_accounts.html", status=status, **(shown | context))


def _page(service_account_id: UUID, *, status: int = 200, **context: Any) -> Response:
    account = queries.service_account(session=g.db, service_account_id=service_account_id)
    if account is None:
        raise NotFound
    scopes = commands.offered(scopes_of_role(Role(account.role)))
    shown = {
        "account": account,
        "may_change": _may_change(account),
        "tokens": queries.service_account_tokens(session=g.db, service_account_id=service_account_id),
        "at": g.at,
        "roles": _roles(),
        "role_words": role_words(),
        "scopes": scopes,
        "days_choices": DAYS_CHOICES,
        "account_values": {"name": account.name, "role": account.role, "note": account.note},
        "account_errors": {},
        "values": {"name": "", "days": DAYS_DEFAULT, "scopes": []},
        "errors": {},
        "made": None,
        "rotated": None,
        "api_root": f"/api/v1/t/{g.slug}",
    }
    return render("office/tokens/service_account.html", status=status, **(shown | context))


def _may_change(account: ServiceAccountView) -> bool:
    return account.disabled_at is None and may_give_machine(account.role)
