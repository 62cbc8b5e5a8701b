"""JSON API of reconciliations: an account compared with a statement of its bank."""

from datetime import date
from typing import Any

from flask import Response, g, jsonify
from flask_openapi3 import APIBlueprint, Tag

from tenants.door import API_PREFIX, guard_room
from tenants.idempotency import once
from tenants.money.accounts import queries as accounts
from tenants.money.reconciliations import commands, queries
from tenants.money.reconciliations.queries import Line, ReconciliationView
from tenants.money.reconciliations.rules import Adjustment, StatementDraft
from tenants.money.reconciliations.shapes import (
    AccountPath,
    CompletionIn,
    LineList,
    ReconciliationList,
    ReconciliationOut,
    ReconciliationPath,
    StatementIn,
    TicksIn,
    TicksOut,
)
from tenants.schemas import PROBLEMS, ListQuery, instant, minor_in, money_error, money_out
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Invalid, NotFound
from webapp.kernel.money import MoneyError
from webapp.web.contract import promises
from webapp.web.pagination import answer_page, cut, read_cursor

bp = APIBlueprint(
    "api_reconciliations",
    __name__,
    url_prefix=API_PREFIX,
    abp_tags=[Tag(name="reconciliations")],
    abp_responses=PROBLEMS,
    abp_security=[{"token": []}],
)
guard_room(bp)


def reconciliation_out(view: ReconciliationView) -> dict[str, Any]:
    """Write a reconciliation for JSON."""
    found = queries.figures(session=g.db, view=view)
    amounts = {
        "opening": view.opening,
        "balance": view.balance,
        "ticked": found.ticked,
        "difference": queries.difference(view, found),
    }
    times = {name: getattr(view, name) for name in ("started_at", "finished_at", "undone_at")}
    people = {name: getattr(view, name) for name in ("started_by", "finished_by", "undone_by")}
    return {
        "id": view.id,
        "account_id": view.account_id,
        "date": view.day.isoformat(),
        "state": view.state,
        **{name: money_out(minor, view.currency) for name, minor in amounts.items()},
        "entries": found.count if view.state == "open" else view.entries,
        "adjustment_id": view.adjustment_id,
        **{name: instant(value) if value else None for name, value in times.items()},
        **{name: str(value) if value else None for name, value in people.items()},
    }


def _line_out(line: Line, currency: str) -> dict[str, Any]:
    amount = money_out(line.amount, currency)
    return {"entry_id": line.entry_id, "date": line.day.isoformat(), "amount": amount, "ticked": line.is_ticked}


def _draft(body: StatementIn, currency: str) -> StatementDraft:
    try:
        return StatementDraft(body.date, minor_in(body.balance, currency))
    except MoneyError as error:
        raise Invalid(errors=(money_error("balance", error),)) from None


def _found(reconciliation_id: int) -> ReconciliationView:
    view = queries.reconciliation(session=g.db, reconciliation_id=reconciliation_id)
    if view is None:
        raise NotFound
    return view


def _currency(account_id: int) -> str:
    currency = accounts.currencies_of(session=g.db, ids=[account_id]).get(account_id)
    if currency is None:
        raise NotFound
    return currency


@bp.get(
    "/accounts/<int:account_id>/reconciliations",
    responses={200: ReconciliationList},
    operation_id="listReconciliations",
    summary="List an account's reconciliations",
)
@requires(Permission.LEDGER_RECONCILIATIONS_READ)
def list_reconciliations(path: AccountPath, query: ListQuery) -> Response:
    """List an account's reconciliations, newest first."""
    _currency(path.account_id)
    purpose = f"reconciliations/{path.account_id}"
    position = read_cursor(purpose, query.cursor)
    before_id = position[0] if position else None
    rows = queries.reconciliations(session=g.db, account_id=path.account_id, limit=query.limit + 1, before_id=before_id)
    page, cursor = cut(rows, query.limit, purpose, lambda row: [row.id])
    return answer_page([reconciliation_out(row) for row in page], cursor)


@bp.post(
    "/accounts/<int:account_id>/reconciliations",
    responses={201: ReconciliationOut},
    operation_id="beginReconciliation",
    summary="Begin to reconcile an account",
)
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
@promises(key="optional")
def begin(path: AccountPath, body: StatementIn) -> Response:
    """Begin to compare an account with a statement; cleared entries up to its day are ticked already."""

    def act() -> tuple[Any, int, str]:
        draft = _draft(body, _currency(path.account_id))
        view = commands.begin(session=g.db, actor=g.actor, at=g.at, account_id=path.account_id, draft=draft)
        return reconciliation_out(view), 201, f"/api/v1/t/{g.slug}/reconciliations/{view.id}"

    return once(act, required=False)


@bp.get(
    "/reconciliations/<int:reconciliation_id>",
    responses={200: ReconciliationOut},
    operation_id="getReconciliation",
    summary="Get a reconciliation",
)
@requires(Permission.LEDGER_RECONCILIATIONS_READ)
def get_reconciliation(path: ReconciliationPath) -> Response:
    """One reconciliation with what is left."""
    return jsonify(reconciliation_out(_found(path.reconciliation_id)))


@bp.put(
    "/reconciliations/<int:reconciliation_id>",
    responses={200: ReconciliationOut},
    operation_id="correctReconciliation",
    summary="Correct a statement's day or balance",
)
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
def correct(path: ReconciliationPath, body: StatementIn) -> Response:
    """Correct how the statement ends, while it is compared."""
    draft = _draft(body, _found(path.reconciliation_id).currency)
    view = commands.correct(session=g.db, actor=g.actor, at=g.at, reconciliation_id=path.reconciliation_id, draft=draft)
    return jsonify(reconciliation_out(view))


@bp.delete(
    "/reconciliations/<int:reconciliation_id>",
    responses={204: None},
    operation_id="dropReconciliation",
    summary="Give a reconciliation up",
)
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
def give_up(path: ReconciliationPath) -> tuple[str, int]:
    """Forget a reconciliation that is not finished; entries stay as they are."""
    commands.give_up(session=g.db, actor=g.actor, at=g.at, reconciliation_id=path.reconciliation_id)
    return "", 204


@bp.get(
    "/reconciliations/<int:reconciliation_id>/entries",
    responses={200: LineList},
    operation_id="listReconciliationEntries",
    summary="List the entries of a reconciliation",
)
@requires(Permission.LEDGER_RECONCILIATIONS_READ)
def list_lines(path: ReconciliationPath, query: ListQuery) -> Response:
    """Entries that may be ticked while it is open; afterwards those that were."""
    view = _found(path.reconciliation_id)
    purpose = f"reconciliation/{view.id}"
    position = read_cursor(purpose, query.cursor)
    before = (date.fromisoformat(position[0]), int(position[1])) if position else None
    rows = queries.lines(session=g.db, view=view, limit=query.limit + 1, before=before)
    page, cursor = cut(rows, query.limit, purpose, lambda line: [line.day.isoformat(), line.entry_id])
    return answer_page([_line_out(line, view.currency) for line in page], cursor)


@bp.post(
    "/reconciliations/<int:reconciliation_id>/ticks",
    responses={200: TicksOut},
    operation_id="tickEntries",
    summary="Tick entries",
)
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
def tick(path: ReconciliationPath, body: TicksIn) -> Response:
    """Tick entries as seen on the statement, or take the ticks away; to repeat it changes nothing."""
    changed = commands.tick(
        session=g.db,
        actor=g.actor,
        at=g.at,
        reconciliation_id=path.reconciliation_id,
        entry_ids=body.entry_ids,
        ticked=body.ticked,
    )
    view = _found(path.reconciliation_id)
    left = queries.difference(view, queries.figures(session=g.db, view=view))
    return jsonify(changed=changed, difference=money_out(left, view.currency))


@bp.post(
    "/reconciliations/<int:reconciliation_id>/completion",
    responses={201: ReconciliationOut},
    operation_id="finishReconciliation",
    summary="Finish a reconciliation",
)
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
@promises(key="optional")
def finish(path: ReconciliationPath, body: CompletionIn) -> Response:
    """Close what is ticked, once nothing is left; or book what is left against the account that is named."""

    def act() -> tuple[Any, int, str]:
        other = body.adjustment_account_id
        adjustment = None if other is None else Adjustment(other, body.adjustment_description)
        view = commands.finish(
            session=g.db, actor=g.actor, at=g.at, reconciliation_id=path.reconciliation_id, adjustment=adjustment
        )
        return reconciliation_out(view), 201, f"/api/v1/t/{g.slug}/reconciliations/{view.id}"

    return once(act, required=False)


@bp.post(
    "/reconciliations/<int:reconciliation_id>/undoing",
    responses={201: ReconciliationOut},
    operation_id="undoReconciliation",
    summary="Undo a reconciliation",
)
@requires(Permission.LEDGER_RECONCILIATIONS_UNDO)
@promises(key="optional")
def undo(path: ReconciliationPath) -> Response:
    """Open the entries of the newest reconciliation again; it stays on record."""

    def act() -> tuple[Any, int, str]:
        view = commands.undo(session=g.db, actor=g.actor, at=g.at, reconciliation_id=path.reconciliation_id)
        return reconciliation_out(view), 201, f"/api/v1/t/{g.slug}/reconciliations/{view.id}"

    return once(act, required=False)
