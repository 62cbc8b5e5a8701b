"""Pages of one entry: what it says, its history, and the acts on it."""

from datetime import date

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts.names import by_id
from tenants.money.accounts.shown import shown_accounts, shown_ids
from tenants.money.ledger import commands, queries
from tenants.money.ledger.content import draft_of
from tenants.money.ledger.elsewhere import found_entry, shown_entry, with_elsewhere
from tenants.money.ledger.history import History, history_of
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.weighing import weigh, weighed
from tenants.office.trail.naming import named
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.audit import queries as audit
from webapp.identity import queries as people_queries
from webapp.kernel.db import on_platform
from webapp.kernel.errors import N_, NotFound
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
    events = named(session=g.db, events=events)
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


@bp.post("/entries/<int:entry_id>/reversal")
@requires(Permission.LEDGER_ENTRIES_REVERSE, per_account=True)
@moves_money
def reverse_entry(entry_id: int) -> Response:
    """Undo an entry by a new one."""
    try:
        day = date.fromisoformat(request.form.get("date", ""))
    except ValueError:
        day = g.at.date()
    found_entry(entry_id)
    new_id = commands.reverse_entry(
        session=g.db,
        actor=g.actor,
        at=g.at,
        entry_id=entry_id,
        day=day,
        description=request.form.get("description", ""),
    )
    weigh(draft_of(found_entry(new_id)))
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
    entry = found_entry(entry_id)
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
