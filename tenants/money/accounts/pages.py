"""Pages of the chart of accounts. The page of one account is its register, in the ledger's room."""

from dataclasses import asdict, replace
from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts import commands, queries
from tenants.money.accounts.charts import CHARTS, ChartTemplate
from tenants.money.accounts.forms import read_account, read_day, values_of
from tenants.money.accounts.names import spoken
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.rules import AccountDraft, Kind
from tenants.money.accounts.shown import shown_accounts
from tenants.money.accounts.tree import KIND_NAMES, choices, is_closed, sections, turned
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.identity.confirmation import need_confirmation
from webapp.kernel.errors import N_, DomainError, FieldError, Invalid, NotFound
from webapp.kernel.money import currencies
from webapp.web.fields import decimal_sign, field_errors
from webapp.web.render import money, render, see_other
from webapp.web.unit import refusable

bp = Blueprint("money_accounts", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)

MONEY_KINDS = frozenset({Kind.ASSET, Kind.LIABILITY})
"""Kinds on which money is left when they close; a category only ends."""
CHART_NAMES = {
    ChartTemplate.HOUSEHOLD: (N_("Household"), N_("Accounts, salary and everyday spending"), "house"),
    ChartTemplate.COMPANY: (N_("Small company"), N_("French PCG numbers and names"), "briefcase"),
    ChartTemplate.ASSOCIATION: (N_("Association"), N_("Fees, donations, grants and events"), "users"),
}


@bp.get("/accounts")
@requires(Permission.LEDGER_ACCOUNTS_READ, per_account=True)
def list_accounts() -> Response:
    """Show the chart as a tree with balances by kind, or charts to start from."""
    found = shown_accounts()
    closed = request.args.get("closed") == "1"
    return render(
        "money/accounts/list.html",
        sections=sections(found, last_days=queries.last_days(session=g.db), today=g.at.date(), closed=closed),
        closed=closed,
        closed_count=sum(is_closed(one, g.at.date()) for one in found),
        names=KIND_NAMES,
        charts=[(key.value, *CHART_NAMES[key], _size(key)) for key in CHART_NAMES],
        is_new=not any(one.purpose is None for one in found),
        currency=g.tenant.base_currency,
        currency_options=[(code, code) for code in currencies()],
        today=g.at.date(),
    )


def _size(template: ChartTemplate) -> int:
    return sum(1 + len(one.below) for one in CHARTS[template])


@bp.post("/accounts/chart")
@requires(Permission.LEDGER_ACCOUNTS_WRITE)
def adopt_chart() -> Response:
    """Open the accounts of a chart."""
    try:
        template = ChartTemplate(request.form.get("template", ""))
    except ValueError:
        raise NotFound from None
    opened = commands.adopt_chart(
        session=g.db,
        actor=g.actor,
        at=g.at,
        template=template,
        translate=_,
        currency=request.form.get("currency", g.tenant.base_currency),
    )
    flash(_("%(count)s accounts are ready. Rename or close what you do not need.", count=opened), "success")
    return see_other(url_for("money_accounts.list_accounts"))


@bp.get("/accounts/new")
@requires(Permission.LEDGER_ACCOUNTS_WRITE)
def new_account() -> Response:
    """Show the form of a new account."""
    values = {
        "kind": request.args.get("kind", Kind.ASSET.value),
        "currency": g.tenant.base_currency,
        "parent_id": request.args.get("parent_id", ""),
    }
    return _form(values, {})


@bp.post("/accounts")
@requires(Permission.LEDGER_ACCOUNTS_WRITE)
def open_account() -> Response:
    """Open an account."""
    try:
        draft = read_account(request.form, decimal_sign=decimal_sign())
        _confirm_bank_details(draft, None)
        with refusable():
            made = commands.open_account(session=g.db, actor=g.actor, at=g.at, draft=draft)
    except DomainError as error:
        return _form(request.form, field_errors(error), status=422)
    flash(_("The account %(name)s is open.", name=made.name), "success")
    return see_other(url_for("money_ledger.show_account", account_id=made.id))


@bp.get("/accounts/<int:account_id>/edit")
@requires(Permission.LEDGER_ACCOUNTS_WRITE)
def edit_account(account_id: int) -> Response:
    """Show the form of an account."""
    account = _found(account_id)
    return _form(values_of(account) | {"version": account.version}, {}, account=account)


@bp.post("/accounts/<int:account_id>")
@requires(Permission.LEDGER_ACCOUNTS_WRITE)
def change_account(account_id: int) -> Response:
    """Change what is said of an account."""
    account = _found(account_id)
    try:
        draft = _kept_name(account, read_account(request.form, decimal_sign=decimal_sign()))
        _confirm_bank_details(draft, account)
        _change(account_id, draft)
    except DomainError as error:
        return _form(request.form, field_errors(error), account=account, status=422)
    flash(_("Saved."), "success")
    if draft.closed_on not in {None, account.closed_on}:
        _warn_of_money(account)
    return see_other(url_for("money_ledger.show_account", account_id=account_id))


@bp.post("/accounts/<int:account_id>/closing")
@requires(Permission.LEDGER_ACCOUNTS_WRITE)
def close_account(account_id: int) -> Response:
    """Close an account after a day, or (without a day) open it again."""
    account = _found(account_id)
    errors: list[FieldError] = []
    day = read_day("closed_on", request.form.get("closed_on", "").strip(), errors)
    try:
        if errors:
            raise Invalid(errors=tuple(errors))
        _change(account_id, _kept_name(account, replace(draft_of(account), closed_on=day)))
    except DomainError as error:
        values = values_of(account) | {"version": account.version, "closed_on": request.form.get("closed_on", "")}
        return _form(values, field_errors(error), account=account, status=422)
    flash(_("The account is closed.") if day else _("The account is open again."), "success")
    if day is not None:
        _warn_of_money(account)
    return see_other(url_for("money_ledger.show_account", account_id=account_id))


def _change(account_id: int, draft: AccountDraft) -> None:
    with refusable():
        commands.change_account(
            session=g.db,
            actor=g.actor,
            at=g.at,
            account_id=account_id,
            version=request.form.get("version", type=int),
            draft=draft,
        )


def _warn_of_money(account: AccountView) -> None:
    """Say what is left on an account that closes: it may stay, and it is easily overlooked."""
    if account.balance and account.kind in MONEY_KINDS:
        left = money(turned(account.kind, account.balance), account.currency)
        told = _(
            "The account is closed with %(amount)s on it. Book that to another account if nothing is to be left.",
            amount=left,
        )
        flash(told, "warning")


def _confirm_bank_details(draft: AccountDraft, before: AccountView | None) -> None:
    """Ask who it is where the number changes to which money goes."""
    if _bank_details(draft) != (_bank_details(before) if before else ("", "")):
        need_confirmation()


def _bank_details(account: AccountDraft | AccountView) -> tuple[str, str]:
    """Return what banks read of an account, however it was typed."""
    return "".join((account.iban or "").split()).upper(), (account.number or "").strip()


def draft_of(account: AccountView) -> AccountDraft:
    """Return the draft that would make this account."""
    values = {name: value for name, value in asdict(account).items() if name in AccountDraft.__dataclass_fields__}
    return AccountDraft(**values | {"kind": Kind(account.kind)})


def _found(account_id: int) -> AccountView:
    """Return an account as the reader knows it: a name that was not changed stays the stored one (see `_kept_name`)."""
    account = queries.account(session=g.db, account_id=account_id)
    if account is None:
        raise NotFound
    return spoken(account)


def _kept_name(account: AccountView, draft: AccountDraft) -> AccountDraft:
    """Return the draft with the stored name where the name is the one that was shown in the reader's language."""
    stored = queries.account(session=g.db, account_id=account.id)
    return replace(draft, name=stored.name) if stored is not None and draft.name == account.name else draft


def _form(values: Any, errors: dict[str, str], *, account: AccountView | None = None, status: int = 200) -> Response:
    above = [account.parent_id] if account is not None and account.parent_id is not None else []
    parents = [one for one in queries.accounts(session=g.db) if account is None or one.id != account.id]
    return render(
        "money/accounts/form.html",
        status=status,
        values=values,
        errors=errors,
        account=account,
        parents=[(_(KIND_NAMES[kind]), options) for kind, options in choices(parents, g.at.date(), keep=above)],
        kinds=[(kind.value, _(name)) for kind, name in KIND_NAMES.items()],
        currency_options=[(code, code) for code in currencies()],
        today=g.at.date(),
    )
