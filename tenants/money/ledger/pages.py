"""Pages of the registers: all entries, and one account with its running balance."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.shown import narrow_to, shown_ids
from tenants.money.accounts.tree import KIND_NAMES, choices, turned
from tenants.money.ledger import views
from tenants.money.ledger.asked import STATE_NAMES, Asked, line_with_filters
from tenants.money.ledger.export import EXPORT_MAX, csv_lines
from tenants.money.ledger.forms import read_day
from tenants.money.ledger.register import MATCHING_MAX, PAGE
from tenants.money.ledger.rows import Row, flow
from tenants.money.ledger.search import STATES
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import FieldError
from webapp.kernel.money import exponent
from webapp.web.render import frame, render, see_other

bp = Blueprint("money_ledger", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)

FILTERS = ("account", "category", "from", "to", "amount", "is", "tag")


@bp.get("/entries")
@requires(Permission.LEDGER_ENTRIES_READ, per_account=True)
def list_entries() -> Response:
    """Show all entries, newest first."""
    asked = Asked.of_request()
    kept = views.views(session=g.db, person_id=g.person.id) if shown_ids() is None else []
    if "q" not in request.args and not any(name in request.args for name in FILTERS):
        default = next((view for view in kept if view.is_default and view.person_id == g.person.id), None)
        if default is not None:
            return redirect(asked.href(default.query))  # type: ignore[return-value]
    return _register(asked, kept)


@bp.get("/accounts/<int:account_id>")
@requires(Permission.LEDGER_ACCOUNTS_READ, per_account=True)
def show_account(account_id: int) -> Response:
    """Show one account's postings with the running balance."""
    narrow_to(Permission.LEDGER_ENTRIES_READ)
    return _register(Asked.of_request(account_id), [])


def _register(asked: Asked, kept: list[views.View]) -> Response:
    if any(request.args.get(name) for name in FILTERS):
        return redirect(asked.href(line_with_filters(asked.line, asked.accounts)))  # type: ignore[return-value]
    page = chunk(asked)
    if request.headers.get("HX-Request-Type") == "partial" and request.args.get("chunk"):
        return render("money/ledger/chunk.html", **page)
    return render(
        "money/ledger/register.html",
        chips=asked.chips(),
        clear_href=asked.href(""),
        views=kept,
        current_view=next((view for view in kept if view.query == asked.line), None),
        balance=turned(asked.account.kind, asked.account.balance) if asked.account else None,
        held=asked.account.held if asked.account else 0,
        as_of=_as_of(asked),
        today=g.at.date(),
        choices=[(_(KIND_NAMES[kind]), options) for kind, options in choices(asked.accounts.values(), g.at.date())],
        undo_id=_undo_id(),
        columns=_columns(asked),
        exponent=exponent(asked.account.currency if asked.account else g.tenant.base_currency),
        state_options=[(name, _(STATE_NAMES[name])) for name in STATES],
        totals_href=_beside(asked, "totals"),
        export_href=_beside(asked, "export.csv"),
        view_links=[
            {"label": view.name, "href": asked.href(view.query), "current": view.query == asked.line} for view in kept
        ],
        **page,
    )


def _as_of(asked: Asked) -> dict[str, Any] | None:
    """Return the account's balance at the end of the day that the address asks for, as the page shows balances."""
    errors: list[FieldError] = []
    if asked.account is None or not request.args.get("on"):
        return None
    day = read_day(request.args["on"], errors)
    if errors:
        return None
    minor = account_queries.balance_on(session=g.db, account_id=asked.account.id, day=day)
    return {"day": day, "balance": turned(asked.account.kind, minor)}


def _beside(asked: Asked, name: str) -> str:
    """Return an address below the register's with the same search."""
    path, _sep, query = asked.href().partition("?")
    return f"{path}/{name}?{query}"


def _columns(asked: Asked) -> list[dict[str, Any]]:
    turned_sort = Asked(asked.line, asked.account, ascending=not asked.ascending)
    date = {"label": _("Date"), "sort": turned_sort.href(), "sorted": "asc" if asked.ascending else "desc"}
    side = [{"label": _("Other side")}] if asked.account else [{"label": _("Category")}, {"label": _("Account")}]
    balance = [{"label": _("Balance"), "num": True}] if asked.has_balance else []
    actions = [{"label": _("Actions"), "hidden": True}] if frame().may("ledger:entries:write") else []
    return [
        date,
        {"label": _("Payee")},
        *side,
        {"label": _("Amount"), "num": True},
        *balance,
        {"label": _("Cleared"), "hidden": True},
        *actions,
    ]


def chunk(asked: Asked) -> dict[str, Any]:
    """Return what one chunk of rows needs: the rows, where the next begins, and where the page before did."""
    beyond, before = asked.key_of(request.args.get("after")), asked.key_of(request.args.get("before"))
    if before is not None:
        keys = asked.keys(PAGE + 1, before, backwards=True)
        has_previous, has_next = len(keys) > PAGE, True
        keys = keys[:PAGE][::-1]
    else:
        keys = asked.keys(PAGE + 1, beyond)
        has_previous, has_next = beyond is not None, len(keys) > PAGE
        keys = keys[:PAGE]
    here = {"after": request.args.get("after", ""), "before": request.args.get("before", ""), "chunk": "1"}
    return {
        "asked": asked,
        "rows": asked.rows(keys),
        "flow": flow,
        "chunk_id": f"rows-{keys[0].entry_id}-{keys[0].position}" if keys else "rows-0",
        "chunk_href": asked.href(**here),
        "next_href": asked.href(after=asked.cursor(keys[-1])) if has_next and keys else None,
        "more_href": asked.href(after=asked.cursor(keys[-1]), chunk="1") if has_next and keys else None,
        "previous_href": asked.href(before=asked.cursor(keys[0])) if has_previous and keys else None,
        "errors": asked.errors,
    }


def _undo_id() -> UUID | None:
    """Return the act that the page before has done, so that it can be undone without scripts."""
    try:
        return UUID(request.args.get("changed", ""))
    except ValueError:
        return None


@bp.get("/entries/totals", defaults={"account_id": None})
@bp.get("/accounts/<int:account_id>/totals")
@requires(Permission.LEDGER_ENTRIES_READ, per_account=True)
def show_totals(account_id: int | None) -> Response:
    """Count what matches, apart from the page, so that the page never waits for it."""
    asked = Asked.of_request(account_id)
    return render(
        "money/ledger/totals.html", asked=asked, totals=asked.totals(), most=MATCHING_MAX, href=_beside(asked, "totals")
    )


@bp.get("/entries/export.csv", defaults={"account_id": None})
@bp.get("/accounts/<int:account_id>/export.csv")
@requires(Permission.LEDGER_ENTRIES_READ, per_account=True)
def export(account_id: int | None) -> Response:
    """Give the register as it is searched as a CSV file, at most 100,000 rows."""
    asked = Asked.of_request(account_id)
    response = Response(list(csv_lines(_all_rows(asked))), content_type="text/csv; charset=utf-8")
    name = f"{g.slug}-{'entries' if account_id is None else f'account-{account_id}'}-{g.at.date().isoformat()}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _all_rows(asked: Asked) -> Iterator[Row]:
    """Yield rows batch by batch, so that a long register is never in memory as objects."""
    beyond, size, given = None, 1000, 0
    while given < EXPORT_MAX:
        keys = asked.keys(size, beyond)
        yield from asked.rows(keys)
        given += len(keys)
        if len(keys) < size:
            return
        beyond = keys[-1]


@bp.post("/entries/views")
@requires(Permission.LEDGER_VIEWS_WRITE)
def save_view() -> Response:
    """Keep the search under a name."""
    line = request.form.get("q", "").strip()
    views.save_view(
        session=g.db,
        actor=g.actor,
        at=g.at,
        name=request.form.get("name", ""),
        query=line,
        shared="shared" in request.form,
        is_default="is_default" in request.form,
    )
    return see_other(url_for("money_ledger.list_entries", q=line))


@bp.post("/entries/views/<int:view_id>/removal")
@requires(Permission.LEDGER_VIEWS_WRITE)
def remove_view(view_id: int) -> Response:
    """Forget one of the person's own searches."""
    views.remove_view(session=g.db, actor=g.actor, at=g.at, view_id=view_id)
    return see_other(url_for("money_ledger.list_entries", q=""))
