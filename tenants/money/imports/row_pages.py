"""Acts on the rows of an import's page: correct, decide, categorise, settle what was left; and the rows as CSV."""

from typing import Any

from flask import Blueprint, Response, flash, g, request
from flask_babel import gettext as _
from flask_babel import ngettext

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts.shown import keep_within
from tenants.money.imports import corrections, decisions, queries, reversal
from tenants.money.imports.answers import csv_answer, found_import
from tenants.money.imports.import_page import ROW_STATES, href_of, import_page, row_form, told
from tenants.money.imports.rules import Decision
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.web.fields import field_errors
from webapp.web.limits import moves_money
from webapp.web.render import see_other
from webapp.web.unit import refusable

bp = Blueprint("money_import_rows", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)
keep_within(bp, "import_id", lambda key: queries.account_of(session=g.db, import_id=key))

POSITION_DIGITS = 9


@bp.post("/imports/<int:import_id>/rows/<int:position>")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def correct_row(import_id: int, position: int) -> Response:
    """Take what a person typed for a wrong row."""
    values = {name: request.form.get(name, "") for name in ("date", "amount", "currency", "counterparty", "text")}
    try:
        with refusable():
            corrections.correct_row(
                session=g.db,
                actor=g.actor,
                at=g.at,
                import_id=import_id,
                position=position,
                typed=corrections.Correction(**values),
            )
    except Invalid as error:
        editing = row_form(found_import(import_id), position) | {"typed": values, "errors": field_errors(error)}
        return import_page(import_id, status=error.status, editing=editing)
    flash(_("The row was corrected."), "success")
    return see_other(href_of(import_id, tab="wrong"))


def _positions() -> list[int] | None:
    """Return the rows that a form names; None when it means all of the list that it shows."""
    if request.form.get("all") == "1":
        return None
    named = request.form.getlist("positions")
    return [int(text) for text in named if text.isascii() and text.isdecimal() and len(text) <= POSITION_DIGITS]


@bp.post("/imports/<int:import_id>/decisions")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def decide_rows(import_id: int) -> Response:
    """Keep, merge or skip the rows that the form names."""
    word = request.form.get("decision", "")
    if word not in set(Decision):
        raise Invalid(errors=(FieldError("decision", "unknown", N_("Choose keep, merge or skip.")),))
    of = "wrong" if request.form.get("tab") == "wrong" else "doubtful"
    count = decisions.decide(
        session=g.db,
        actor=g.actor,
        at=g.at,
        import_id=import_id,
        decision=Decision(word),
        positions=_positions(),
        of=of,
    )
    flash(ngettext("%(num)d row was decided.", "%(num)d rows were decided.", count), "success")
    return see_other(href_of(import_id, tab=request.form.get("tab", "")))


@bp.post("/imports/<int:import_id>/categories")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def categorise_rows(import_id: int) -> Response:
    """Give the ticked rows a category, or accept what is suggested."""
    text = request.form.get("category_id", "")
    wanted = int(text) if text.isascii() and text.isdecimal() and request.values.get("accept") != "1" else None
    positions = _positions() or None
    here = href_of(import_id, tab="new", cursor=request.form.get("cursor") or None)
    if wanted is not None and positions is None:
        flash(_("Tick the rows first."), "warning")
        return see_other(here)
    try:
        with refusable():
            count = decisions.categorise(
                session=g.db, actor=g.actor, at=g.at, import_id=import_id, positions=positions, category_id=wanted
            )
    except Invalid as error:
        chosen = {"category": text, "positions": set(positions or ()), "errors": field_errors(error)}
        return import_page(import_id, status=error.status, chosen=chosen)
    flash(ngettext("%(num)d row has a category now.", "%(num)d rows have a category now.", count), "success")
    return see_other(here)


@bp.post("/imports/<int:import_id>/rows/<int:position>/settlement")
@requires(Permission.IMPORTS_IMPORTS_REVERSE)
def settle_left(import_id: int, position: int) -> Response:
    """Keep or reverse an entry that an undone import left in the books."""
    reverse_it = request.form.get("decision") == "reverse"
    return told(reversal.settle_left, import_id, position=position, reverse_it=reverse_it)


@bp.post("/imports/<int:import_id>/settlement")
@requires(Permission.IMPORTS_IMPORTS_REVERSE)
@moves_money
def settle_all_left(import_id: int) -> Response:
    """Keep or reverse every entry that an undone import left in the books."""
    reverse_it = request.form.get("decision") == "reverse"

    def act(**said: Any) -> None:
        settled, waiting = reversal.settle_all_left(**said, reverse_it=reverse_it)
        if reverse_it:
            flash(ngettext("%(num)d entry was reversed.", "%(num)d entries were reversed.", settled), "success")
        else:
            flash(ngettext("%(num)d entry was kept.", "%(num)d entries were kept.", settled), "success")
        if waiting:
            flash(ngettext("%(num)d entry waits still.", "%(num)d entries wait still.", waiting), "warning")

    return told(act, import_id)


@bp.get("/imports/<int:import_id>/rows.csv")
@requires(Permission.IMPORTS_IMPORTS_READ)
def export_rows(import_id: int) -> Response:
    """Give the rows as a CSV file."""
    tab = request.args.get("tab", "")
    return csv_answer(found_import(import_id), tab if tab in ROW_STATES else None)
