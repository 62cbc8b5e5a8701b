"""Pages of reconciliations: an account's statements that were compared, and the comparing of one."""

from datetime import date
from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts import queries as accounts
from tenants.money.accounts.names import by_id, spoken
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.shown import keep_account, keep_within, kept_accounts
from tenants.money.accounts.tree import KIND_NAMES, choices, turned
from tenants.money.ledger import queries as ledger
from tenants.money.reconciliations import commands, queries
from tenants.money.reconciliations.forms import read_adjustment, read_statement
from tenants.money.reconciliations.queries import Line, ReconciliationView
from tenants.money.reconciliations.rules import STATEMENT_KINDS
from webapp.access.guard import Forbidden, requires
from webapp.access.permissions import Permission
from webapp.identity import queries as identity
from webapp.kernel.db import on_platform
from webapp.kernel.errors import DomainError, NotFound
from webapp.web.fields import decimal_sign, field_errors
from webapp.web.pagination import LIMIT_DEFAULT, cut, read_cursor
from webapp.web.render import render, see_other
from webapp.web.unit import refusable

bp = Blueprint("money_reconciliations", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)
keep_within(bp, "reconciliation_id", lambda key: queries.account_of(session=g.db, reconciliation_id=key))

PAGE = 100


@bp.get("/accounts/<int:account_id>/reconciliations")
@requires(Permission.LEDGER_RECONCILIATIONS_READ)
def list_reconciliations(account_id: int) -> Response:
    """Show which statements of an account were compared, by whom."""
    return _list(_account(account_id), {}, {})


@bp.post("/accounts/<int:account_id>/reconciliations")
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
def begin(account_id: int) -> Response:
    """Begin to compare a statement."""
    account = _account(account_id)
    try:
        draft = read_statement(request.form, account, decimal_sign=decimal_sign())
        with refusable():
            made = commands.begin(session=g.db, actor=g.actor, at=g.at, account_id=account_id, draft=draft)
    except DomainError as error:
        return _list(account, request.form, field_errors(error), status=422)
    return see_other(_href(made.id))


@bp.get("/reconciliations/<int:reconciliation_id>")
@requires(Permission.LEDGER_RECONCILIATIONS_READ)
def show(reconciliation_id: int) -> Response:
    """Show a statement beside the books: what is ticked, and what is left between them."""
    return _page(_found(reconciliation_id), {}, {})


@bp.post("/reconciliations/<int:reconciliation_id>")
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
def correct(reconciliation_id: int) -> Response:
    """Correct the statement's day or balance."""
    view = _found(reconciliation_id)
    try:
        draft = read_statement(request.form, _account(view.account_id), decimal_sign=decimal_sign())
        with refusable():
            commands.correct(session=g.db, actor=g.actor, at=g.at, reconciliation_id=view.id, draft=draft)
    except DomainError as error:
        return _page(view, request.form, field_errors(error), status=422)
    return see_other(_href(view.id))


@bp.post("/reconciliations/<int:reconciliation_id>/ticks")
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
def tick(reconciliation_id: int) -> Response:
    """Tick one entry or all, or take the ticks away; a script gets the row and the figures anew."""
    view = _found(reconciliation_id)
    entry_id = request.form.get("entry_id", type=int)
    commands.tick(
        session=g.db,
        actor=g.actor,
        at=g.at,
        reconciliation_id=view.id,
        entry_ids=None if entry_id is None else [entry_id],
        ticked=request.form.get("ticked") == "1",
    )
    line = queries.line(session=g.db, view=view, entry_id=entry_id) if entry_id else None
    if line is None or request.headers.get("HX-Request-Type") != "partial":
        return see_other(_href(view.id) + (f"#line-{entry_id}" if entry_id else ""))
    account, known = _account(view.account_id), by_id(kept_accounts())
    row = _rows([line], account, known)[0]
    return render("money/reconciliations/ticked.html", one=row, values={}, errors={}, **_figures(view, account, known))


@bp.post("/reconciliations/<int:reconciliation_id>/completion")
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
def finish(reconciliation_id: int) -> Response:
    """Close what is ticked; with an account, what is left is booked against it."""
    view = _found(reconciliation_id)
    try:
        adjustment = read_adjustment(request.form, _("Reconciliation adjustment"))
        if adjustment is not None:
            keep_account(adjustment.account_id)
        with refusable():
            done = commands.finish(
                session=g.db, actor=g.actor, at=g.at, reconciliation_id=view.id, adjustment=adjustment
            )
    except (Forbidden, NotFound):
        raise
    except DomainError as error:
        return _page(view, request.form, field_errors(error), status=422)
    flash(_("The account is reconciled. What was ticked is closed now."), "success")
    return see_other(_href(done.id))


@bp.post("/reconciliations/<int:reconciliation_id>/removal")
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
def give_up(reconciliation_id: int) -> Response:
    """Drop a reconciliation that is not finished."""
    view = _found(reconciliation_id)
    commands.give_up(session=g.db, actor=g.actor, at=g.at, reconciliation_id=view.id)
    flash(_("The reconciliation is given up. No entry was changed."), "success")
    return see_other(url_for("money_reconciliations.list_reconciliations", account_id=view.account_id))


@bp.post("/reconciliations/<int:reconciliation_id>/undoing")
@requires(Permission.LEDGER_RECONCILIATIONS_UNDO)
def undo(reconciliation_id: int) -> Response:
    """Open the entries of a finished reconciliation again."""
    commands.undo(session=g.db, actor=g.actor, at=g.at, reconciliation_id=reconciliation_id)
    flash(_("The reconciliation is undone. Its entries are open again."), "success")
    return see_other(_href(reconciliation_id))


def _href(reconciliation_id: int) -> str:
    return url_for("money_reconciliations.show", reconciliation_id=reconciliation_id)


def _found(reconciliation_id: int) -> ReconciliationView:
    view = queries.reconciliation(session=g.db, reconciliation_id=reconciliation_id)
    if view is None:
        raise NotFound
    return view


def _account(account_id: int) -> AccountView:
    found = accounts.account(session=g.db, account_id=account_id)
    if found is None:
        raise NotFound
    return spoken(found)


def _names(views: list[ReconciliationView]) -> dict[Any, str]:
    """Return who did it, by person."""
    ids = {one for view in views for one in (view.started_by, view.finished_by, view.undone_by) if one is not None}
    with on_platform(g.db) as platform:
        found = identity.people(session=platform, ids=ids)
    return {key: person.name or person.email for key, person in found.items()}


def _list(account: AccountView, values: Any, errors: dict[str, str], *, status: int = 200) -> Response:
    purpose = f"reconciliations/{account.id}"
    position = read_cursor(purpose, request.args.get("cursor"))
    before_id = position[0] if position else None
    found = queries.reconciliations(session=g.db, account_id=account.id, limit=LIMIT_DEFAULT + 1, before_id=before_id)
    page, cursor = cut(found, LIMIT_DEFAULT, purpose, lambda row: [row.id])
    last = queries.last_one(session=g.db, account_id=account.id)
    return render(
        "money/reconciliations/list.html",
        status=status,
        account=account,
        has_statements=account.kind in STATEMENT_KINDS,
        reconciliations=page,
        open_one=queries.open_one(session=g.db, account_id=account.id),
        last=last,
        turned=lambda minor: turned(account.kind, minor),
        names=_names(list(page)),
        next_href=url_for("money_reconciliations.list_reconciliations", account_id=account.id, cursor=cursor)
        if cursor
        else None,
        first_href=url_for("money_reconciliations.list_reconciliations", account_id=account.id) if position else None,
        today=g.at.date(),
        values=values,
        errors=errors,
    )


def _page(view: ReconciliationView, values: Any, errors: dict[str, str], *, status: int = 200) -> Response:
    account = _account(view.account_id)
    known = by_id(kept_accounts())
    purpose = f"reconciliation/{view.id}"
    position = read_cursor(purpose, request.args.get("cursor"))
    before = (date.fromisoformat(position[0]), int(position[1])) if position else None
    found = queries.lines(session=g.db, view=view, limit=PAGE + 1, before=before)
    page, cursor = cut(found, PAGE, purpose, lambda line: [line.day.isoformat(), line.entry_id])
    last = queries.last_one(session=g.db, account_id=account.id)
    is_last = last is not None and last.id == view.id
    return render(
        "money/reconciliations/reconciliation.html",
        status=status,
        rows=_rows(list(page), account, known),
        names=_names([view]),
        can_undo=is_last and queries.open_one(session=g.db, account_id=account.id) is None,
        next_href=url_for("money_reconciliations.show", reconciliation_id=view.id, cursor=cursor) if cursor else None,
        first_href=_href(view.id) if position else None,
        values=values,
        errors=errors,
        **_figures(view, account, known),
    )


def _figures(view: ReconciliationView, account: AccountView, known: dict[int, AccountView]) -> dict[str, Any]:
    """Return what stands above the rows, amounts as the account's page shows them."""
    found = queries.figures(session=g.db, view=view)
    others = [one for one in known.values() if one.currency == view.currency and one.id != account.id]
    return {
        "choices": [(_(KIND_NAMES[kind]), options) for kind, options in choices(others, g.at.date())],
        "view": view,
        "account": account,
        "balance": turned(account.kind, view.balance),
        "count": found.count,
        "ticked": turned(account.kind, view.opening + found.ticked),
        "opening": turned(account.kind, view.opening),
        "left": turned(account.kind, queries.difference(view, found)),
    }


def _rows(lines: list[Line], account: AccountView, known: dict[int, AccountView]) -> list[dict[str, Any]]:
    """Return entries as rows of the account's register with what they add to it."""
    entries = {one.id: one for one in ledger.entries_by_id(session=g.db, ids=[line.entry_id for line in lines])}
    rows = []
    for line in lines:
        entry = entries[line.entry_id]
        ids = [p.account_id for p in entry.postings if p.account_id != account.id and p.account_id in known]
        others = list(dict.fromkeys(known[one].name for one in ids))
        rows.append(
            {
                "entry": entry,
                "is_open": entry.closed_at is None,
                "others": others,
                "amount": turned(account.kind, line.amount),
                "is_ticked": line.is_ticked,
            }
        )
    return rows
