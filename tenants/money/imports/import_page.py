"""The page of one import: its steps, its notices, and its rows by what becomes of them."""

from collections.abc import Callable
from typing import Any

from flask import Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.rules import CATEGORIES
from tenants.money.imports import queries, stated
from tenants.money.imports.answers import found_import
from tenants.money.imports.presentation import choice, reason_of, said
from tenants.money.imports.queries import ImportView, Left, RowView
from tenants.money.imports.rules import CANCELLABLE, State
from tenants.money.imports.wizard import go_on, steps_of
from webapp.kernel.errors import N_, DomainError, NotFound
from webapp.kernel.money import decimal
from webapp.web.pagination import cut, read_cursor
from webapp.web.problem import translate
from webapp.web.render import render, see_other
from webapp.web.unit import refusable

PAGE_ROWS = 50
STATES: dict[str, tuple[str, str, str]] = {
    "received": (N_("Received"), "neutral", "clock"),
    "recognising": (N_("Recognising"), "info", "loader-circle"),
    "needs_mapping": (N_("Columns needed"), "warn", "table"),
    "checking": (N_("Checking"), "info", "loader-circle"),
    "review": (N_("To review"), "warn", "list-checks"),
    "publishing": (N_("Publishing"), "info", "loader-circle"),
    "published": (N_("Published"), "good", "check"),
    "reversing": (N_("Undoing"), "info", "loader-circle"),
    "reversed": (N_("Undone"), "neutral", "undo-2"),
    "cancelled": (N_("Cancelled"), "neutral", "ban"),
    "failed": (N_("Failed"), "danger", "circle-alert"),
}
ROW_STATES: dict[str, str] = {
    "left": N_("Left in the books"),
    "doubtful": N_("Doubtful"),
    "wrong": N_("Wrong"),
    "new": N_("New"),
    "published": N_("Published"),
    "reversed": N_("Undone"),
    "duplicate": N_("Duplicates"),
    "merged": N_("Merged"),
    "skipped": N_("Skipped"),
    "ignored": N_("Not booked"),
}


def href_of(import_id: int, **values: Any) -> str:
    """Return the address of an import's page."""
    return url_for("money_imports.show_import", import_id=import_id, **values)


def look_of(view: ImportView, left: Left) -> tuple[str, str, str]:
    """Return the word, kind and icon of an import's state; what left entries in the books is not undone whole."""
    if view.state == State.REVERSED and (left.waiting or left.kept):
        return N_("Undone in part"), "warn" if left.waiting else "neutral", "undo-2"
    return STATES[view.state]


def import_page(
    import_id: int, *, status: int = 200, editing: dict[str, Any] | None = None, chosen: dict[str, Any] | None = None
) -> Response:
    """Show where an import is; `editing` is the row that a person corrects, with what was typed and what is wrong.

    `chosen` is what a person chose of categories and ticked, if it was refused.
    """
    view = found_import(import_id)
    if view.state == State.NEEDS_MAPPING and "tab" not in request.args:
        return go_on(url_for("money_mappings.show_mapping", import_id=import_id))
    tabs = _tabs(view)
    tab = request.values.get("tab", "")
    tab = tab if tab in dict(tabs) else tabs[0][0] if tabs else ""
    rows, next_href = _rows(view, tab)
    left = queries.left(session=g.db, views=[view]).get(view.id, queries.Left())
    account = account_queries.account(session=g.db, account_id=view.account_id)
    position = request.args.get("edit", "")
    if editing is None and position.isascii() and position.isdecimal() and view.state == State.REVIEW:
        editing = row_form(view, int(position))
    return render(
        "money/imports/import.html",
        status=status,
        view=view,
        account=account,
        look=look_of(view, left),
        left=left,
        row_states=ROW_STATES,
        tab=tab,
        tabs=[
            {"label": _(ROW_STATES[name]), "count": n, "current": name == tab, "href": href_of(import_id, tab=name)}
            for name, n in tabs
        ],
        rows=rows,
        reason_of=reason_of,
        said=said,
        next_href=next_href,
        editing=editing,
        decimal=decimal,
        balances=[] if view.is_working else stated.balances(session=g.db, view=view),
        planned=[one for one in view.accounts if one["account_id"] is None or len(view.accounts) > 1],
        account_names=_account_names(view, rows),
        categories=_categories({account.currency if account else "", *(one["currency"] for one in view.accounts)}),
        chosen=chosen or {"category": "", "positions": set(), "errors": {}},
        cursor=request.values.get("cursor", ""),
        cancellable=view.state in CANCELLABLE or view.state == State.PUBLISHING,
        seconds_left=view.job.seconds_left(g.at) if view.job else None,
        steps=steps_of(view),
        href=href_of(import_id, tab=tab) if tab else href_of(import_id),
    )


def _tabs(view: ImportView) -> list[tuple[str, int]]:
    """Return the row states that this import has, with counts, those that want attention first."""
    if view.is_working and view.state not in {State.PUBLISHING, State.REVERSING}:
        return []
    main = {"published": "published", "reversing": "published", "reversed": "left"}.get(view.state, "new")
    counts = {
        "doubtful": view.rows_doubtful,
        "wrong": view.rows_wrong,
        main: view.rows_published if main != "new" else view.rows_new,
        "duplicate": view.rows_duplicate,
        "merged": view.rows_merged,
        "skipped": view.rows_skipped,
        "ignored": view.rows_ignored,
    }
    return [(name, counts[name]) for name in ROW_STATES if counts.get(name)]


def _rows(view: ImportView, tab: str) -> tuple[Any, str | None]:
    if not tab:
        return [], None
    purpose = f"import-rows/{view.id}/{tab}"
    position = read_cursor(purpose, request.values.get("cursor") or None)
    found = queries.rows(
        session=g.db, view=view, limit=PAGE_ROWS + 1, state=tab, after=int(position[0]) if position else 0
    )
    page, cursor = cut(found, PAGE_ROWS, purpose, lambda one: [one.position])
    return page, href_of(view.id, tab=tab, cursor=cursor) if cursor else None


def _account_names(view: ImportView, rows: list[RowView]) -> dict[int, str]:
    ids = {key for row in rows for key in (row.account_id, row.category_id, row.suggested_id) if key}
    ids |= {one["account_id"] for one in view.accounts if one["account_id"]}
    return {key: one.name for key, one in account_queries.accounts_by_id(session=g.db, ids=ids).items()}


def _categories(currencies: set[str]) -> list[tuple[int, str]]:
    found = account_queries.accounts(session=g.db, kinds=[kind.value for kind in CATEGORIES])
    fitting = [one for one in found if one.purpose is None and one.closed_on is None and one.currency in currencies]
    return [(one.id, choice(one.name, one.currency)) for one in fitting]


def row_form(view: ImportView, position: int) -> dict[str, Any]:
    """Return a wrong row with the texts that were found in it, to be corrected. Raises NotFound."""
    row = queries.row(session=g.db, view=view, position=position)
    if row is None or row.state != "wrong":
        raise NotFound
    fields = (row.params or {}).get("fields") or {}
    values = {name: str(fields.get(name, "")) for name in ("date", "amount", "currency", "counterparty", "text")}
    if row.day is not None and row.amount is not None and row.currency:
        values |= {
            "date": row.day.isoformat(),
            "amount": decimal(row.amount, row.currency),
            "currency": row.currency,
            "counterparty": row.counterparty,
            "text": row.description,
        }
    return {"row": row, "typed": values, "errors": {}}


def told(act: Callable[..., object], import_id: int, **said: Any) -> Response:
    """Do one act on an import and go back to its page; what is not possible now is told there."""
    try:
        with refusable():
            act(session=g.db, actor=g.actor, at=g.at, import_id=import_id, **said)
    except DomainError as error:
        if error.status not in {409, 422}:
            raise
        flash(translate(error.text, error.params), "warning")
    return see_other(href_of(import_id))
