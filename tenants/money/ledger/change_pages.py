"""Doors of what is changed inside a register: one row in place, many rows at once, and undoing."""

import json
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts.tree import KIND_NAMES, choices
from tenants.money.ledger import changes, commands
from tenants.money.ledger.asked import Asked
from tenants.money.ledger.bulk import BulkChange
from tenants.money.ledger.changes import Outcome
from tenants.money.ledger.forms import read_bulk, read_row
from tenants.money.ledger.reach import Key
from tenants.money.ledger.refusals import OF_THE_DAY, OF_THE_SUM
from tenants.money.ledger.rows import Row, flow
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_, DomainError, FieldError, Invalid, NotFound
from webapp.web.fields import decimal_sign, field_errors
from webapp.web.render import render, see_other
from webapp.web.state import services
from webapp.web.unit import refusable

bp = Blueprint("money_changes", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)

ID_DIGITS = 19
"""A bigint has at most so many digits."""

LEFT = {
    "closed": N_("closed"),
    "currency": N_("in another currency"),
    "same": N_("already so"),
    "split": N_("split"),
}


def is_partial() -> bool:
    """Tell whether a script asked for a part of the page."""
    return request.headers.get("HX-Request-Type") == "partial"


def row_of(entry_id: int) -> tuple[Asked, Row]:
    """Return the register that the row stands in (`in` is its account) and the row."""
    asked = Asked.of_request(request.values.get("in", type=int))
    position = request.values.get("position", 0, type=int) if asked.account else 0
    entries = changes.queries.entries_by_id(session=g.db, ids=[entry_id])
    if not entries or (position and position not in {p.position for p in entries[0].postings}):
        raise NotFound
    if position and entries[0].postings[position - 1].account_id != asked.account.id:  # type: ignore[union-attr]
        raise NotFound
    return asked, asked.rows([Key(entries[0].day, entry_id, position)])[0]


@bp.get("/entries/<int:entry_id>/row")
@requires(Permission.LEDGER_ENTRIES_READ)
def show_row(entry_id: int) -> Response:
    """Show one row as it stands in a register."""
    asked, row = row_of(entry_id)
    if not is_partial():
        return see_other(url_for("money_entries.show_entry", entry_id=entry_id))
    return render("money/ledger/one_row.html", asked=asked, row=row, flow=flow)


@bp.get("/entries/<int:entry_id>/editor")
@requires(Permission.LEDGER_ENTRIES_WRITE)
def edit_row(entry_id: int) -> Response:
    """Show one row with its fields; without scripts, the entry's form."""
    asked, row = row_of(entry_id)
    if not is_partial():
        return see_other(url_for("money_entry_form.edit_entry", entry_id=entry_id))
    if not row.is_open:
        raise commands.EntryClosed
    return _editor(asked, row, {}, {})


@bp.post("/entries/<int:entry_id>/row")
@requires(Permission.LEDGER_ENTRIES_WRITE)
def change_row(entry_id: int) -> Response:
    """Change an entry by its row."""
    asked, row = row_of(entry_id)
    try:
        draft = read_row(request.form, row, asked.accounts, decimal_sign=decimal_sign())
        with refusable():
            commands.edit_entry(
                session=g.db,
                actor=g.actor,
                at=g.at,
                change_id=services().new_id(),
                entry_id=entry_id,
                version=request.form.get("version", type=int),
                draft=draft,
            )
    except DomainError as error:
        if not is_partial():
            raise
        return _editor(asked, row, request.form, row_errors(error, row), status=422)
    if not is_partial():
        return see_other(asked.href())
    try:
        asked, row = row_of(entry_id)
    except NotFound:
        # The row left this account's register: the register is drawn again without it.
        return _moved(Response(""))
    response = render("money/ledger/one_row.html", asked=asked, row=row, flow=flow)
    return _moved(response) if asked.has_balance or draft.day != row.entry.day else response


def row_errors(error: DomainError, row: Row) -> dict[str, str]:
    """Return messages by the editor's fields: a posting's error stands at the cell that shows the posting."""
    if not isinstance(error, Invalid):
        amount = "amount" if row.is_simple else "form"
        return field_errors(error, places=OF_THE_DAY | dict.fromkeys(OF_THE_SUM, amount))
    names = {row.own.position - 1: "account_id"} | ({row.other.position - 1: "category_id"} if row.other else {})
    errors = []
    for item in error.errors:
        head, _sep, rest = item.field.partition("/")
        name = item.field
        if head == "postings" and rest:
            index, _sep, part = rest.partition("/")
            name = "amount" if part == "amount" else names.get(int(index), "form")
        errors.append(FieldError(name, item.code, item.message, item.params))
    return field_errors(Invalid(errors=tuple(errors)))


def _editor(asked: Asked, row: Row, values: Any, errors: dict[str, str], status: int = 200) -> Response:
    chosen = {line.account_id for line in row.entry.postings}
    found = choices(asked.accounts.values(), g.at.date(), keep=chosen)
    options = [(_(KIND_NAMES[kind]), group) for kind, group in found]
    return render(
        "money/ledger/editor.html", status=status, asked=asked, row=row, values=values, errors=errors, choices=options
    )


@bp.post("/entries/<int:entry_id>/clearing")
@requires(Permission.LEDGER_ENTRIES_WRITE)
def clear_row(entry_id: int) -> Response:
    """Mark an entry as confirmed by the bank, or not."""
    asked, row = row_of(entry_id)
    commands.set_cleared(
        session=g.db, actor=g.actor, at=g.at, entry_id=entry_id, position=row.own.position, cleared=not row.cleared
    )
    if not is_partial():
        return see_other(asked.href())
    asked, row = row_of(entry_id)
    return render("money/ledger/one_row.html", asked=asked, row=row, flow=flow)


@bp.post("/entries/changes")
@requires(Permission.LEDGER_ENTRIES_WRITE)
def change_entries() -> Response:
    """Change the selected entries, or all that match, in one act."""
    asked = Asked.of_request(request.form.get("in", type=int))
    chosen = {
        int(text)
        for text in request.form.getlist("ids")
        if text.isascii() and text.isdecimal() and len(text) < ID_DIGITS
    }
    ids = asked.matching_ids() if request.form.get("all_matching") == "1" else sorted(chosen)
    change_id = services().new_id()
    try:
        if not ids:
            raise Invalid(errors=(FieldError("form", "none", N_("Select at least one row first.")),))
        change = read_bulk(request.form)
        with refusable():
            outcome = changes.change_entries(
                session=g.db, actor=g.actor, at=g.at, change_id=change_id, ids=ids, change=change
            )
    except DomainError as error:
        if not is_partial():
            raise
        message = " ".join(dict.fromkeys(field_errors(error).values()))
        return _told(asked, message, kind="danger", status=422)
    return _told(
        asked,
        _summary(change, outcome),
        kind="success" if outcome.changed else "info",
        undo_id=change_id if outcome.changed else None,
    )


@bp.post("/changes/<uuid:change_id>/undoing")
@requires(Permission.LEDGER_ENTRIES_WRITE)
def undo(change_id: UUID) -> Response:
    """Put everything back that an act has changed."""
    asked = Asked.of_request(request.form.get("in", type=int))
    try:
        with refusable():
            count = changes.undo_change(
                session=g.db, actor=g.actor, at=g.at, change_id=change_id, undo_id=services().new_id()
            )
    except DomainError as error:
        if not is_partial():
            raise
        return _told(asked, " ".join(field_errors(error).values()), kind="danger", status=409)
    return _told(
        asked,
        ngettext("Undone: %(num)d entry is as it was.", "Undone: %(num)d entries are as they were.", count),
        kind="success",
    )


def _summary(change: BulkChange, outcome: Outcome) -> str:
    if change.delete:
        said = ngettext("%(num)d entry deleted.", "%(num)d entries deleted.", outcome.changed)
    else:
        said = ngettext("%(num)d entry changed.", "%(num)d entries changed.", outcome.changed)
    if outcome.left:
        reasons = ", ".join(f"{count} {_(LEFT[name])}" for name, count in sorted(outcome.left.items()))
        said += " " + _("Left as they are: %(reasons)s.", reasons=reasons)
    return said


def _told(asked: Asked, text: str, *, kind: str, undo_id: UUID | None = None, status: int = 200) -> Response:
    """Say what was done: in a toast beside the register, or on the register's page without scripts."""
    if is_partial():
        response = render("money/ledger/told.html", status=status, text=text, kind=kind, undo_id=undo_id, asked=asked)
        return _moved(response) if status < 400 else response  # noqa: PLR2004 - HTTP
    flash(text, kind)
    return see_other(asked.href(**({"changed": str(undo_id)} if undo_id else {})))


def _moved(response: Response) -> Response:
    """Have the register's chunks drawn again: balances and places of other rows have changed."""
    response.headers["HX-Trigger"] = json.dumps({"ledger-changed": True})
    return response
