"""The page of a table's columns: which means what, with the first rows as they would be read."""

from flask import Blueprint, Response, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.shown import keep_within
from tenants.money.imports import commands, preview, queries
from tenants.money.imports.answers import found_import
from tenants.money.imports.forms import (
    DATE_FORMS,
    DELIMITERS,
    PROPOSED,
    ROLES,
    check_complete,
    proposed_again,
    read_mapping,
    typed_in,
    values_of,
)
from tenants.money.imports.presentation import said
from tenants.money.imports.queries import ImportView
from tenants.money.imports.readers.dates import readable
from tenants.money.imports.readers.lines import StatementError
from tenants.money.imports.readers.mapping import ENCODINGS, Mapping
from tenants.money.imports.recognition import parted_anew, recognise_content
from tenants.money.imports.wizard import steps_of
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Invalid, NotFound
from webapp.web.fields import field_errors
from webapp.web.render import render, see_other
from webapp.web.state import services
from webapp.web.unit import refusable

bp = Blueprint("money_mappings", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)
keep_within(bp, "import_id", lambda key: queries.account_of(session=g.db, import_id=key))


@bp.get("/imports/<int:import_id>/mapping")
@requires(Permission.IMPORTS_IMPORTS_READ)
def show_mapping(import_id: int) -> Response:
    """Show which column means what, with the first rows as they would be read."""
    view = found_import(import_id)
    if view.is_working or view.kind not in {"csv", "xlsx"}:
        return see_other(url_for("money_imports.show_import", import_id=import_id, tab="new"))
    return _mapping_page(view, _base(view))


def _base(view: ImportView) -> Mapping:
    """Return the mapping that the form starts from: the one there is, else where the table was found, without roles."""
    if view.mapping:
        return Mapping.from_dict(view.mapping)
    try:
        layout = recognise_content(g.db, view.id, view.size_bytes, view.encoding).layout
    except StatementError:
        layout = None  # the page still says what is wrong with the file
    return layout or Mapping(encoding=view.encoding or "utf-8")


def _mapping_page(
    view: ImportView, mapping: Mapping, refused: Invalid | None = None, again: dict[str, str] | None = None
) -> Response:
    """Show the form for a mapping; of one that was refused show what was typed, with the errors at the fields.

    `again` is what of the form was proposed again.
    """
    account = account_queries.account(session=g.db, account_id=view.account_id)
    if account is None:
        raise NotFound
    shown = preview.preview(session=g.db, view=view, mapping=mapping, currency=account.currency)
    return render(
        "money/imports/mapping.html",
        status=refused.status if refused else 200,
        view=view,
        account=account,
        values=typed_in(request.form.to_dict() | (again or {})) if refused else values_of(mapping),
        proposed=_proposals(view, mapping) | (again or {}),
        renewed=bool(again) and request.headers.get("HX-Request-Type") == "partial",
        preview=shown,
        roles=[(key, _(label)) for key, label in ROLES],
        errors=field_errors(refused) if refused else {},
        steps=steps_of(view),
        delimiters=[("tab" if key == "\t" else key, _(label)) for key, label in DELIMITERS],
        encodings=[(name, name.upper()) for name in ENCODINGS],
        said=said,
        date_forms=[(form, readable(form)) for form in dict.fromkeys((mapping.date_format, *DATE_FORMS))],
    )


def _proposals(view: ImportView, mapping: Mapping) -> dict[str, str]:
    """Return what of the form's values nobody chose; none of them where a person has said how the file is read."""
    if request.method == "POST":
        kept = {name: request.form.get(f"proposed-{name}", "") for name in PROPOSED}
        return kept | {"delimiter": request.form.get("delimiter", "")}
    values = values_of(mapping)
    names = ("delimiter",) if view.mapping_by == "person" and view.mapping else ("delimiter", *PROPOSED)
    return {name: values[name] for name in names}


def _proposed_again(view: ImportView) -> dict[str, str]:
    """Return what the form should say since a person has just chosen another delimiter."""
    was, chosen = request.form.get("proposed-delimiter"), request.form.get("delimiter", "")
    delimiter = "\t" if chosen == "tab" else chosen
    if not was or chosen == was or view.kind != "csv" or delimiter not in dict(DELIMITERS):
        return {}
    try:
        parted = parted_anew(g.db, view.id, view.encoding or "utf-8", delimiter)
    except StatementError:
        return {}
    return proposed_again(request.form, parted)


@bp.post("/imports/<int:import_id>/mapping/sample")
@requires(Permission.IMPORTS_IMPORTS_READ)
def show_sample(import_id: int) -> Response:
    """Show the first rows as the form says, changing nothing."""
    view = found_import(import_id)
    again = _proposed_again(view)
    try:
        mapping = read_mapping(request.form.to_dict() | again, _base(view))
    except Invalid as error:
        return _mapping_page(view, _base(view), error, again)
    return _mapping_page(view, mapping, again=again)


@bp.post("/imports/<int:import_id>/mapping")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def map_import(import_id: int) -> Response:
    """Read the file as the form says; the columns are remembered for the account and header."""
    view = found_import(import_id)
    base = _base(view)
    try:
        base = read_mapping(request.form, base)
        mapping = _of_this_file(view, base)
        check_complete(mapping)
        with refusable():
            commands.choose_mapping(
                session=g.db, actor=g.actor, at=g.at, new_id=services().new_id, import_id=import_id, mapping=mapping
            )
    except Invalid as error:
        return _mapping_page(view, base, error)
    return see_other(url_for("money_imports.show_import", import_id=import_id))


def _of_this_file(view: ImportView, mapping: Mapping) -> Mapping:
    """Return a mapping without the columns that the file does not have when it is parted so."""
    shown = preview.preview(session=g.db, view=view, mapping=mapping, currency="EUR")
    return preview.within(mapping, len(shown.names) if mapping.header_line else 0)
