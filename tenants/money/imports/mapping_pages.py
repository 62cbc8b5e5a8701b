"""The page of a table's columns: which means what, with the first rows as they would be read."""

from flask import Blueprint, Response, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts import queries as account_queries
from tenants.money.imports import commands, preview
from tenants.money.imports.forms import (
    DATE_FORMS,
    DELIMITERS,
    ROLES,
    check_complete,
    read_mapping,
    typed_in,
    values_of,
)
from tenants.money.imports.presentation import said
from tenants.money.imports.queries import ImportView
from tenants.money.imports.readers.dates import readable
from tenants.money.imports.readers.mapping import ENCODINGS, Mapping
from tenants.money.imports.wizard import found_import, steps_of
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Invalid, NotFound
from webapp.web.fields import field_errors
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("money_mappings", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/imports/<int:import_id>/mapping")
@requires(Permission.IMPORTS_IMPORTS_READ)
def show_mapping(import_id: int) -> Response:
    """Show which column means what, with the first rows as they would be read."""
    view = found_import(import_id)
    if view.is_working or view.kind not in {"csv", "xlsx"}:
        return see_other(url_for("money_imports.show_import", import_id=import_id, tab="new"))
    return _mapping_page(view, _base(view))


def _base(view: ImportView) -> Mapping:
    return Mapping.from_dict(view.mapping) if view.mapping else Mapping(encoding=view.encoding or "utf-8")


def _mapping_page(view: ImportView, mapping: Mapping, refused: Invalid | None = None) -> Response:
    """Show the form for a mapping; of one that was refused show what was typed, with the errors at the fields."""
    account = account_queries.account(session=g.db, account_id=view.account_id)
    if account is None:
        raise NotFound
    shown = preview.preview(session=g.db, view=view, mapping=mapping, currency=account.currency)
    return render(
        "money/imports/mapping.html",
        status=refused.status if refused else 200,
        view=view,
        account=account,
        values=typed_in(request.form) if refused else values_of(mapping),
        preview=shown,
        roles=[(key, _(label)) for key, label in ROLES],
        errors=field_errors(refused) if refused else {},
        steps=steps_of(view),
        delimiters=[("tab" if key == "\t" else key, _(label)) for key, label in DELIMITERS],
        encodings=[(name, name.upper()) for name in ENCODINGS],
        said=said,
        date_forms=[(form, readable(form)) for form in dict.fromkeys((mapping.date_format, *DATE_FORMS))],
    )


@bp.post("/imports/<int:import_id>/mapping/sample")
@requires(Permission.IMPORTS_IMPORTS_READ)
def show_sample(import_id: int) -> Response:
    """Show the first rows as the form says, changing nothing."""
    view = found_import(import_id)
    try:
        mapping = read_mapping(request.form, _base(view))
    except Invalid as error:
        return _mapping_page(view, _base(view), error)
    return _mapping_page(view, mapping)


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
