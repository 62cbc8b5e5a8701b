"""Pages of imports: drop a statement, say how it reads, look at what is doubtful or wrong, publish, undo."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

from flask import Blueprint, Response, current_app, flash, g, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.rules import CATEGORIES, Kind
from tenants.money.imports import commands, corrections, decisions, exports, queries, reversal
from tenants.money.imports.presentation import reason_of, said
from tenants.money.imports.queries import ImportView, RowView
from tenants.money.imports.rules import CANCELLABLE, Decision, State
from tenants.money.imports.samples import EXTENSION, Sample, Samples
from tenants.money.imports.wizard import found_import, go_on, steps_of
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_, DomainError, FieldError, Invalid, NotFound
from webapp.kernel.money import decimal
from webapp.web.fields import field_errors
from webapp.web.pagination import cut, read_cursor
from webapp.web.problem import translate
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("money_imports", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)

PAGE_ROWS = 50
POSITION_DIGITS = 9
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
    "doubtful": N_("Doubtful"),
    "wrong": N_("Wrong"),
    "new": N_("New"),
    "published": N_("Published"),
    "left": N_("Left in the books"),
    "reversed": N_("Undone"),
    "duplicate": N_("Duplicates"),
    "merged": N_("Merged"),
    "skipped": N_("Skipped"),
    "ignored": N_("Not booked"),
}


def _href(import_id: int, **values: Any) -> str:
    return url_for("money_imports.show_import", import_id=import_id, **values)


@bp.get("/imports")
@requires(Permission.IMPORTS_IMPORTS_READ)
def list_imports() -> Response:
    """Show where to drop a statement, and the imports so far."""
    return _list(values={"account_id": request.args.get("account_id", "")}, errors={})


def _list(*, values: dict[str, str], errors: dict[str, str], status: int = 200) -> Response:
    position = read_cursor("imports", request.args.get("cursor"))
    before = (datetime.fromisoformat(position[0]), int(position[1])) if position else None
    found = queries.imports(session=g.db, limit=PAGE_ROWS + 1, before=before)
    page, cursor = cut(found, PAGE_ROWS, "imports", lambda one: [one.created_at.isoformat(), one.id])
    homes = account_queries.accounts(session=g.db, kinds=[Kind.ASSET, Kind.LIABILITY])
    accounts = [one for one in homes if one.closed_on is None]
    if not values.get("account_id"):
        values["account_id"] = str(page[0].account_id if page else accounts[0].id if accounts else "")
    return render(
        "money/imports/list.html",
        status=status,
        imports=page,
        names=_names(page),
        states=STATES,
        values=values,
        errors=errors,
        accounts=[(one.id, f"{one.name} ({one.currency})") for one in accounts],
        samples=[one.name for one in _samples()],
        megabytes=services().settings.upload_bytes_max // commands.CHUNK_BYTES,
        next_href=url_for("money_imports.list_imports", cursor=cursor) if cursor else None,
        first_href=url_for("money_imports.list_imports") if before else None,
    )


def _names(views: Any) -> dict[int, str]:
    known = account_queries.accounts_by_id(session=g.db, ids={view.account_id for view in views})
    return {key: account.name for key, account in known.items()}


@bp.post("/imports")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def create_import() -> Response:
    """Take an uploaded statement, or a bundled one, and go to its page."""
    account = request.form.get("account_id", "")
    values = {"account_id": account}
    try:
        name, content, code = _uploaded()
        if code is not None:
            account = str(account_queries.id_by_code(session=g.db, code=code) or "")
        account_id = int(account) if account.isascii() and account.isdecimal() and len(account) < 19 else 0  # noqa: PLR2004 - a bigint's digits
        with g.db.begin_nested():
            import_id = commands.receive(
                session=g.db,
                actor=g.actor,
                at=g.at,
                new_id=services().new_id,
                content=content,
                upload=commands.Upload(account_id, name),
                bytes_max=services().settings.upload_bytes_max,
            )
    except Invalid as error:
        return _list(values=values, errors=field_errors(error), status=error.status)
    return see_other(_href(import_id))


def _samples() -> tuple[Sample, ...]:
    """Return the statements to try; only a demonstration has them."""
    if not g.tenant.is_demo:
        return ()
    return cast("Samples", current_app.extensions[EXTENSION])(g.at.date())


def _uploaded() -> tuple[str, Iterator[bytes], str | None]:
    """Return name, pieces and, of a sample, the account's code. Raises Invalid (file), NotFound."""
    sample, uploaded = request.form.get("sample", ""), request.files.get("file")
    if sample:
        found = next((one for one in _samples() if one.name == sample), None)
        if found is None:
            raise NotFound
        return found.name, iter([found.content]), found.account_code
    if uploaded is None or not uploaded.filename:
        raise Invalid(errors=(FieldError("file", "missing", N_("Choose the statement's file.")),))
    return uploaded.filename, commands.pieces(uploaded.stream.read), None


@bp.get("/imports/<int:import_id>")
@requires(Permission.IMPORTS_IMPORTS_READ)
def show_import(import_id: int) -> Response:
    """Show where an import is: at work, to be mapped, to be reviewed, done."""
    return _import(import_id)


def _import(import_id: int, *, status: int = 200, editing: dict[str, Any] | None = None) -> Response:
    view = found_import(import_id)
    if view.state == State.NEEDS_MAPPING and "tab" not in request.args:
        return go_on(url_for("money_mappings.show_mapping", import_id=import_id))
    tabs = _tabs(view)
    tab = request.args.get("tab", "")
    tab = tab if tab in dict(tabs) else tabs[0][0] if tabs else ""
    rows, next_href = _rows(view, tab)
    account = account_queries.account(session=g.db, account_id=view.account_id)
    position = request.args.get("edit", "")
    if editing is None and position.isascii() and position.isdecimal() and view.state == State.REVIEW:
        editing = _editing(view, int(position))
    return render(
        "money/imports/import.html",
        status=status,
        view=view,
        account=account,
        states=STATES,
        row_states=ROW_STATES,
        tab=tab,
        tabs=[
            {"label": _(ROW_STATES[name]), "count": n, "current": name == tab, "href": _href(import_id, tab=name)}
            for name, n in tabs
        ],
        rows=rows,
        reason_of=reason_of,
        said=said,
        next_href=next_href,
        editing=editing,
        decimal=decimal,
        balances=[] if view.is_working else queries.balances(session=g.db, view=view),
        planned=[one for one in view.accounts if one["account_id"] is None or len(view.accounts) > 1],
        account_names=_account_names(view, rows),
        categories=_categories(),
        left=queries.left_in_books(session=g.db, import_id=import_id) if view.state == State.REVERSED else [],
        cancellable=view.state in CANCELLABLE or view.state == State.PUBLISHING,
        seconds_left=view.job.seconds_left(g.at) if view.job else None,
        steps=steps_of(view),
        href=_href(import_id, tab=tab) if tab else _href(import_id),
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
    position = read_cursor(purpose, request.args.get("cursor"))
    found = queries.rows(
        session=g.db, view=view, limit=PAGE_ROWS + 1, state=tab, after=int(position[0]) if position else 0
    )
    page, cursor = cut(found, PAGE_ROWS, purpose, lambda one: [one.position])
    return page, _href(view.id, tab=tab, cursor=cursor) if cursor else None


def _account_names(view: ImportView, rows: list[RowView]) -> dict[int, str]:
    ids = {key for row in rows for key in (row.account_id, row.category_id, row.suggested_id) if key}
    ids |= {one["account_id"] for one in view.accounts if one["account_id"]}
    return {key: one.name for key, one in account_queries.accounts_by_id(session=g.db, ids=ids).items()}


def _categories() -> list[tuple[int, str]]:
    found = account_queries.accounts(session=g.db, kinds=[kind.value for kind in CATEGORIES])
    return [(one.id, f"{one.name} ({one.currency})") for one in found if one.purpose is None and one.closed_on is None]


def _editing(view: ImportView, position: int) -> dict[str, Any]:
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


@bp.post("/imports/<int:import_id>/rows/<int:position>")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def correct_row(import_id: int, position: int) -> Response:
    """Take what a person typed for a wrong row."""
    values = {name: request.form.get(name, "") for name in ("date", "amount", "currency", "counterparty", "text")}
    try:
        corrections.correct_row(
            session=g.db,
            actor=g.actor,
            at=g.at,
            import_id=import_id,
            position=position,
            typed=corrections.Correction(**values),
        )
    except Invalid as error:
        editing = _editing(found_import(import_id), position) | {"typed": values, "errors": field_errors(error)}
        return _import(import_id, status=error.status, editing=editing)
    flash(_("The row was corrected."), "success")
    return see_other(_href(import_id, tab="wrong"))


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
    return see_other(_href(import_id, tab=request.form.get("tab", "")))


@bp.post("/imports/<int:import_id>/categories")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def categorise_rows(import_id: int) -> Response:
    """Give the ticked rows a category, or accept what is suggested."""
    text = request.form.get("category_id", "")
    wanted = int(text) if text.isascii() and text.isdecimal() and request.values.get("accept") != "1" else None
    positions = _positions() or None
    if wanted is not None and positions is None:
        flash(_("Tick the rows first."), "warning")
        return see_other(_href(import_id, tab="new"))
    count = decisions.categorise(
        session=g.db, actor=g.actor, at=g.at, import_id=import_id, positions=positions, category_id=wanted
    )
    flash(ngettext("%(num)d row has a category now.", "%(num)d rows have a category now.", count), "success")
    return see_other(_href(import_id, tab="new"))


def _told(act: Any, import_id: int) -> Response:
    """Do one act on an import and go back to its page; what is not possible now is told there."""
    try:
        with g.db.begin_nested():
            act()
    except DomainError as error:
        if error.status not in {409, 422}:
            raise
        flash(translate(error.text, error.params), "warning")
    return see_other(_href(import_id))


@bp.post("/imports/<int:import_id>/publication")
@requires(Permission.IMPORTS_IMPORTS_PUBLISH)
def publish_import(import_id: int) -> Response:
    """Book every new row."""
    return _told(
        lambda: commands.request_publication(
            session=g.db,
            actor=g.actor,
            at=g.at,
            new_id=services().new_id,
            import_id=import_id,
        ),
        import_id,
    )


@bp.post("/imports/<int:import_id>/reversal")
@requires(Permission.IMPORTS_IMPORTS_REVERSE)
def reverse_import(import_id: int) -> Response:
    """Take the import back out of the books."""
    return _told(
        lambda: commands.request_reversal(
            session=g.db,
            actor=g.actor,
            at=g.at,
            new_id=services().new_id,
            import_id=import_id,
        ),
        import_id,
    )


@bp.post("/imports/<int:import_id>/cancellation")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def cancel_import(import_id: int) -> Response:
    """Give the import up."""
    return _told(lambda: commands.cancel(session=g.db, actor=g.actor, at=g.at, import_id=import_id), import_id)


@bp.post("/imports/<int:import_id>/retry")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def retry_import(import_id: int) -> Response:
    """Try the work again that was given up."""
    return _told(lambda: commands.retry(session=g.db, actor=g.actor, at=g.at, import_id=import_id), import_id)


@bp.post("/imports/<int:import_id>/rows/<int:position>/settlement")
@requires(Permission.IMPORTS_IMPORTS_REVERSE)
def settle_left(import_id: int, position: int) -> Response:
    """Keep or reverse an entry that an undone import left in the books."""
    return _told(
        lambda: reversal.settle_left(
            session=g.db,
            actor=g.actor,
            at=g.at,
            import_id=import_id,
            position=position,
            reverse_it=request.form.get("decision") == "reverse",
        ),
        import_id,
    )


@bp.get("/imports/<int:import_id>/rows.csv")
@requires(Permission.IMPORTS_IMPORTS_READ)
def export_rows(import_id: int) -> Response:
    """Give the rows as a CSV file."""
    tab = request.args.get("tab", "")
    body = "".join(
        exports.csv_rows(session=g.db, view=found_import(import_id), state=tab if tab in ROW_STATES else None)
    )
    response = Response(body, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="import-{import_id}.csv"'
    return response
