"""The form of an entry: to book one, to change one, to add lines, to see what is missing."""

from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts.names import by_id
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.shown import shown_accounts
from tenants.money.accounts.tree import KIND_NAMES, choices
from tenants.money.ledger import commands
from tenants.money.ledger.content import draft_of
from tenants.money.ledger.elsewhere import found_entry
from tenants.money.ledger.forms import LINES_MORE, LineText, lines_in, lines_of, read_entry, remainder, values_of
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.refusals import OF_THE_DAY, OF_THE_SUM
from tenants.money.ledger.weighing import weigh, weighed
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import DomainError, Invalid
from webapp.web.fields import decimal_sign, field_errors
from webapp.web.limits import moves_money
from webapp.web.problem import translate
from webapp.web.render import render, see_other
from webapp.web.state import services
from webapp.web.unit import refusable

bp = Blueprint("money_entry_form", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)

UNREAD_SHOWN = 3
"""So many amounts that cannot be read are named under the lines."""


@bp.get("/entries/new")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
def new_entry() -> Response:
    """Show the form of a new entry, with another entry's content to duplicate."""
    values: dict[str, str] = {"date": g.at.date().isoformat()}
    lines = [LineText(request.args.get("account", "")), LineText(), LineText(), LineText()]
    if (like := request.args.get("like", type=int)) is not None:
        source = found_entry(like)
        weigh(draft_of(source))
        values, lines = values_of(source) | values, lines_of(source)
    return _form(values, lines, {})


@bp.post("/entries")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
@moves_money
def post_entry() -> Response:
    """Book an entry."""
    accounts = _accounts()
    try:
        draft = read_entry(request.form, accounts, decimal_sign=decimal_sign())
        weigh(draft)
        with refusable():
            entry_id = commands.post_entry(session=g.db, actor=g.actor, at=g.at, draft=draft)
    except DomainError as error:
        return _form(request.form, lines_in(request.form), _entry_errors(error), status=422)
    flash(_("The entry is booked."), "success")
    if "again" in request.form:
        return see_other(url_for("money_entry_form.new_entry"))
    return see_other(url_for("money_entries.show_entry", entry_id=entry_id))


@bp.get("/entries/<int:entry_id>/edit")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
def edit_entry(entry_id: int) -> Response:
    """Show the form of an open entry."""
    entry = found_entry(entry_id)
    if entry.closed_at is not None:
        raise commands.EntryClosed
    weigh(draft_of(entry))
    return _form(values_of(entry) | {"version": str(entry.version)}, lines_of(entry), {}, entry=entry)


@bp.post("/entries/<int:entry_id>")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
@moves_money
def change_entry(entry_id: int) -> Response:
    """Change an open entry."""
    entry = found_entry(entry_id)
    try:
        draft = read_entry(request.form, _accounts(), decimal_sign=decimal_sign())
        weigh(draft_of(entry), draft)
        with refusable():
            commands.edit_entry(
                session=g.db,
                actor=g.actor,
                at=g.at,
                change_id=services().new_id(),
                entry_id=entry_id,
                version=weighed(entry, request.form.get("version", type=int)),
                draft=draft,
            )
    except DomainError as error:
        return _form(request.form, lines_in(request.form), _entry_errors(error), entry=entry, status=422)
    flash(_("Saved."), "success")
    return see_other(url_for("money_entries.show_entry", entry_id=entry_id))


@bp.post("/entries/lines", defaults={"entry_id": None})
@bp.post("/entries/<int:entry_id>/lines")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
def more_lines(entry_id: int | None) -> Response:
    """Show the form again with more lines and everything that was typed."""
    weigh()
    typed = lines_in(request.form)
    entry = None if entry_id is None else found_entry(entry_id)
    return _form(request.form, lines_in(request.form, at_least=len(typed) + LINES_MORE), {}, entry=entry)


@bp.post("/entries/remainder")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
def show_remainder() -> Response:
    """Tell what is missing for the lines to balance."""
    weigh()
    found = remainder(request.form, _accounts(), decimal_sign=decimal_sign())
    unread = [(item.field, translate(item.message, item.params)) for item in found.unread[:UNREAD_SHOWN]]
    return render("money/ledger/remainder.html", missing=found.missing, unread=unread, is_whole=found.is_whole)


def _accounts() -> dict[int, AccountView]:
    return by_id(shown_accounts())


def _entry_errors(error: DomainError) -> dict[str, str]:
    """Return messages by the form's fields; what is wrong with all lines stands under `postings`."""
    errors = field_errors(error, places=OF_THE_DAY | dict.fromkeys(OF_THE_SUM, "postings"))
    if isinstance(error, Invalid):
        return {name.replace("/currency", "/account_id"): text for name, text in errors.items()}
    return errors


def _form(
    values: Any, lines: list[LineText], errors: dict[str, str], *, entry: EntryView | None = None, status: int = 200
) -> Response:
    accounts, chosen = shown_accounts(), {line.account_id for line in lines}
    found = choices(accounts, g.at.date(), keep={one.id for one in accounts if str(one.id) in chosen})
    options = [(_(KIND_NAMES[kind]), group) for kind, group in found]
    return render(
        "money/ledger/entry_form.html",
        status=status,
        values=values,
        lines=lines,
        errors=errors,
        entry=entry,
        choices=options,
    )
