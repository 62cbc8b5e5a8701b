"""Reconciliations as JSON: written, and a statement read."""

from typing import Any

from flask import g

from tenants.money.reconciliations import queries
from tenants.money.reconciliations.queries import Line, ReconciliationView
from tenants.money.reconciliations.rules import StatementDraft
from tenants.money.reconciliations.shapes import StatementIn
from tenants.schemas import instant, minor_in, money_error, money_out
from webapp.kernel.errors import Invalid, NotFound
from webapp.kernel.money import MoneyError


def found_reconciliation(reconciliation_id: int) -> ReconciliationView:
    """Return the reconciliation of the address. Raises NotFound."""
    view = queries.reconciliation(session=g.db, reconciliation_id=reconciliation_id)
    if view is None:
        raise NotFound
    return view


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


def line_out(line: Line, currency: str) -> dict[str, Any]:
    """Write an entry that may be ticked, or was."""
    amount = money_out(line.amount, currency)
    return {"entry_id": line.entry_id, "date": line.day.isoformat(), "amount": amount, "ticked": line.is_ticked}


def draft_in(body: StatementIn, currency: str) -> StatementDraft:
    """Read how a statement ends. Raises Invalid (balance)."""
    try:
        return StatementDraft(body.date, minor_in(body.balance, currency))
    except MoneyError as error:
        raise Invalid(errors=(money_error("balance", error),)) from None
