"""Pages of one entry: what it says, its history, its form, and the acts on it."""

from datetime import date
from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts.names import by_id
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.shown import shown_accounts, shown_ids
from tenants.money.accounts.tree import KIND_NAMES, choices
from tenants.money.ledger import commands, queries
from tenants.money.ledger.content import draft_of
from tenants.money.ledger.elsewhere import shown_entry, with_elsewhere
from tenants.money.ledger.forms import LINES_MORE, LineText, lines_in, lines_of, read_entry, remainders, values_of
from tenants.money.ledger.history import History, history_of
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.weighing import weigh, weighed
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.audit import queries as audit
from webapp.identity import queries as people_queries
from webapp.kernel.db import on_platform
from webapp.kernel.errors import N_, DomainError, Invalid, NotFound
from webapp.web.fields import decimal_sign, field_errors
from webapp.web.limits import moves_money
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("money_entries", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)

EVENTS_MAX = 100

ACTION_NAMES = {
    "entry.posted": N_("booked"),
    "entry.edited": N_("changed"),
    "entry.deleted": N_("deleted"),
    "entry.reversed": N_("reversed"),
    "entry.locked": N_("locked"),
    "entry.reconciled": N_("reconciled"),
    "entry.cleared": N_("marked as cleared or not"),
}
VIA_NAMES = {
    "session": N_("browser"),
    "token": N_("API"),
    "job": N_("job"),
    "cli": N_("command line"),
    "link": N_("link"),
}


@bp.get("/entries/<int:entry_id>")
@requires(Permission.LEDGER_ENTRIES_READ, per_account=True)
def show_entry(entry_id: int) -> Response:
    """Show an entry with its postings, history and trail."""
    entry, is_part = shown_entry(queries.entry(session=g.db, entry_id=entry_id)), shown_ids() is not None
    # What an entry said before, and the trail, tell of all its accounts.
    history = History([], {}) if is_part else _history(entry, entry_id)
    if entry is None and not history.versions:
        raise NotFound
    search = audit.Search(object_type="entry", object_id=str(entry_id))
    events = [] if is_part else audit.events(session=g.db, limit=EVENTS_MAX, search=search)
    ids = {entry.created_by} if entry else set()
    ids |= {version.by for version in history.versions}
    with on_platform(g.db) as platform:
        people = people_queries.people(session=platform, ids=ids)
    return render(
        "money/ledger/entry.html",
        entry=entry,
        entry_id=entry_id,
        accounts=with_elsewhere(by_id(shown_accounts())),
        is_part=is_part,
        is_ours=entry is not None and all(line.account_id != queries.ELSEWHERE for line in entry.postings),
        history=history,
        events=events,
        people=people,
        today=g.at.date(),
        action_names={key: _(name) for key, name in ACTION_NAMES.items()},
        via_names={key: _(name) for key, name in VIA_NAMES.items()},
        reversal_id=queries.reversal_of(session=g.db, entry_id=entry_id) if entry else None,
    )


def _history(entry: EntryView | None, entry_id: int) -> History:
    return history_of(entry, queries.history(session=g.db, entry_id=entry_id))


@bp.get("/entries/new")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
def new_entry() -> Response:
    """Show the form of a new entry, with another entry's content to duplicate."""
    values: dict[str, str] = {"date": g.at.date().isoformat()}
    lines = [LineText(request.args.get("account", "")), LineText(), LineText(), LineText()]
    if (like := request.args.get("like", type=int)) is not None:
        source = _found(like)
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
        entry_id = commands.post_entry(session=g.db, actor=g.actor, at=g.at, draft=draft)
    except DomainError as error:
        return _form(request.form, lines_in(request.form), _entry_errors(error), status=422)
    flash(_("The entry is booked."), "success")
    if "again" in request.form:
        return see_other(url_for("money_entries.new_entry"))
    return see_other(url_for("money_entries.show_entry", entry_id=entry_id))


@bp.get("/entries/<int:entry_id>/edit")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
def edit_entry(entry_id: int) -> Response:
    """Show the form of an open entry."""
    entry = _found(entry_id)
    if entry.closed_at is not None:
        raise commands.EntryClosed
    weigh(draft_of(entry))
    return _form(values_of(entry) | {"version": str(entry.version)}, lines_of(entry), {}, entry=entry)


@bp.post("/entries/<int:entry_id>")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
@moves_money
def change_entry(entry_id: int) -> Response:
    """Change an open entry."""
    entry = _found(entry_id)
    try:
        draft = read_entry(request.form, _accounts(), decimal_sign=decimal_sign())
        weigh(draft_of(entry), draft)
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
    entry = None if entry_id is None else _found(entry_id)
    return _form(request.form, lines_in(request.form, at_least=len(typed) + LINES_MORE), {}, entry=entry)


@bp.post("/entries/remainder")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
def show_remainder() -> Response:
    """Tell what is missing for the lines to balance."""
    weigh()
    return render(
        "money/ledger/remainder.html", remainders=remainders(request.form, _accounts(), decimal_sign=decimal_sign())
    )


@bp.post("/entries/<int:entry_id>/reversal")
@requires(Permission.LEDGER_ENTRIES_REVERSE, per_account=True)
@moves_money
def reverse_entry(entry_id: int) -> Response:
    """Undo an entry by a new one."""
    try:
        day = date.fromisoformat(request.form.get("date", ""))
    except ValueError:
        day = g.at.date()
    _found(entry_id)
    new_id = commands.reverse_entry(
        session=g.db,
        actor=g.actor,
        at=g.at,
        entry_id=entry_id,
        day=day,
        description=request.form.get("description", ""),
    )
    weigh(draft_of(_found(new_id)))
    flash(_("The entry is reversed by this one."), "success")
    return see_other(url_for("money_entries.show_entry", entry_id=new_id))


@bp.post("/entries/<int:entry_id>/closing")
@requires(Permission.LEDGER_ENTRIES_CLOSE)
def close_entry(entry_id: int) -> Response:
    """Lock an entry for good."""
    commands.close_entry(session=g.db, actor=g.actor, at=g.at, entry_id=entry_id)
    flash(_("The entry is locked. It can only be reversed now."), "success")
    return see_other(url_for("money_entries.show_entry", entry_id=entry_id))


@bp.post("/entries/<int:entry_id>/deletion")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
@moves_money
def delete_entry(entry_id: int) -> Response:
    """Take an open entry out of the books."""
    entry = _found(entry_id)
    weigh(draft_of(entry))
    change_id = services().new_id()
    commands.delete_entry(
        session=g.db,
        actor=g.actor,
        at=g.at,
        change_id=change_id,
        entry_id=entry_id,
        version=weighed(entry, request.form.get("version", type=int)),
    )
    flash(_("The entry is deleted."), "success")
    return see_other(url_for("money_ledger.list_entries", q="", changed=str(change_id)))


def _found(entry_id: int) -> EntryView:
    """Return an entry of which an account is shown at least; raises NotFound."""
    entry = queries.entry(session=g.db, entry_id=entry_id)
    if entry is None or shown_entry(entry) is None:
        raise NotFound
    return entry


def _accounts() -> dict[int, AccountView]:
    return by_id(shown_accounts())


def _entry_errors(error: DomainError) -> dict[str, str]:
    """Return messages by the form's fields; what is wrong with all lines stands under `postings`."""
    errors = field_errors(error)
    if isinstance(error, Invalid):
        return {name.replace("/currency", "/account_id"): text for name, text in errors.items()}
    return errors


def _form(
    values: Any, lines: list[LineText], errors: dict[str, str], *, entry: EntryView | None = None, status: int = 200
) -> Response:
    options = [(_(KIND_NAMES[kind]), group) for kind, group in choices(shown_accounts(), g.at.date())]
    return render(
        "money/ledger/entry_form.html",
        status=status,
        values=values,
        lines=lines,
        errors=errors,
        entry=entry,
        choices=options,
    )
