"""Pages of imports: drop a statement, follow it, publish it, undo it."""

from collections.abc import Iterator
from datetime import datetime
from http import HTTPStatus
from typing import Any, cast

from flask import Blueprint, Response, current_app, g, request, url_for

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.rules import Kind
from tenants.money.accounts.shown import keep_account, keep_within, kept_accounts, kept_ids
from tenants.money.imports import commands, queries, receiving
from tenants.money.imports.import_page import PAGE_ROWS, href_of, import_page, look_of, told
from tenants.money.imports.presentation import choice, too_large
from tenants.money.imports.samples import EXTENSION, Sample, Samples
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_, FieldError, Invalid, NotFound
from webapp.web.fields import field_errors
from webapp.web.limits import moves_money
from webapp.web.pagination import cut, read_cursor
from webapp.web.render import render, see_other
from webapp.web.state import services
from webapp.web.unit import refusable

bp = Blueprint("money_imports", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)
keep_within(bp, "import_id", lambda key: queries.account_of(session=g.db, import_id=key))
bp.register_error_handler(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large)


@bp.get("/imports")
@requires(Permission.IMPORTS_IMPORTS_READ)
def list_imports() -> Response:
    """Show where to drop a statement, and the imports so far."""
    return _list(values={"account_id": request.args.get("account_id", "")}, errors={})


def _list(*, values: dict[str, str], errors: dict[str, str], status: int = 200) -> Response:
    position = read_cursor("imports", request.args.get("cursor"))
    before = (datetime.fromisoformat(position[0]), int(position[1])) if position else None
    found = queries.imports(session=g.db, limit=PAGE_ROWS + 1, before=before, within=kept_ids())
    page, cursor = cut(found, PAGE_ROWS, "imports", lambda one: [one.created_at.isoformat(), one.id])
    homes = kept_accounts(kinds=[Kind.ASSET, Kind.LIABILITY])
    accounts = [one for one in homes if one.closed_on is None]
    if not values.get("account_id"):
        values["account_id"] = str(page[0].account_id if page else accounts[0].id if accounts else "")
    left = queries.left(session=g.db, views=page)
    return render(
        "money/imports/list.html",
        status=status,
        imports=[(one, left.get(one.id, queries.Left())) for one in page],
        names=_names(page),
        look_of=look_of,
        values=values,
        errors=errors,
        accounts=[(one.id, choice(one.name, one.currency)) for one in accounts],
        samples=[one.name for one in _samples()],
        megabytes=services().settings.upload_bytes_max // receiving.CHUNK_BYTES,
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
        keep_account(account_id)
        with refusable():
            import_id = receiving.receive(
                session=g.db,
                actor=g.actor,
                at=g.at,
                new_id=services().new_id,
                content=content,
                upload=receiving.Upload(account_id, name),
                bytes_max=services().settings.upload_bytes_max,
            )
    except Invalid as error:
        return _list(values=values, errors=field_errors(error), status=error.status)
    return see_other(href_of(import_id))


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
    return uploaded.filename, receiving.pieces(uploaded.stream.read), None


@bp.get("/imports/<int:import_id>")
@requires(Permission.IMPORTS_IMPORTS_READ)
def show_import(import_id: int) -> Response:
    """Show where an import is: at work, to be mapped, to be reviewed, done."""
    return import_page(import_id)


@bp.post("/imports/<int:import_id>/publication")
@requires(Permission.IMPORTS_IMPORTS_PUBLISH)
@moves_money
def publish_import(import_id: int) -> Response:
    """Book every new row."""
    return told(commands.request_publication, import_id, new_id=services().new_id)


@bp.post("/imports/<int:import_id>/reversal")
@requires(Permission.IMPORTS_IMPORTS_REVERSE)
@moves_money
def reverse_import(import_id: int) -> Response:
    """Take the import back out of the books."""
    return told(commands.request_reversal, import_id, new_id=services().new_id)


@bp.post("/imports/<int:import_id>/cancellation")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def cancel_import(import_id: int) -> Response:
    """Give the import up."""
    return told(commands.cancel, import_id)


@bp.post("/imports/<int:import_id>/retry")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def retry_import(import_id: int) -> Response:
    """Try the work again that was given up."""
    return told(commands.retry, import_id)
