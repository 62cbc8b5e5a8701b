"""The page of closed periods."""

from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.periods import commands, queries
from tenants.money.periods.forms import read_closing
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.identity import queries as identity
from webapp.kernel.db import on_platform
from webapp.kernel.errors import DomainError
from webapp.web.fields import field_errors
from webapp.web.pagination import LIMIT_DEFAULT, cut, read_cursor
from webapp.web.render import render, see_other
from webapp.web.unit import refusable

bp = Blueprint("money_periods", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/period-closings")
@requires(Permission.LEDGER_PERIODS_READ)
def list_closings() -> Response:
    """Show which periods are closed, by whom, and which were reopened."""
    return _page({}, {})


@bp.post("/period-closings")
@requires(Permission.LEDGER_PERIODS_CLOSE)
def close_period() -> Response:
    """Close a period."""
    try:
        with refusable():
            commands.close_period(session=g.db, actor=g.actor, at=g.at, draft=read_closing(request.form))
    except DomainError as error:
        return _page(request.form, field_errors(error), status=422)
    flash(_("The period is closed."), "success")
    return see_other(url_for("money_periods.list_closings"))


@bp.post("/period-closings/<int:closing_id>/reopening")
@requires(Permission.LEDGER_PERIODS_REOPEN)
def reopen_period(closing_id: int) -> Response:
    """Reopen a period."""
    commands.reopen_period(session=g.db, actor=g.actor, at=g.at, closing_id=closing_id)
    flash(_("The period is open again."), "success")
    return see_other(url_for("money_periods.list_closings"))


def _page(values: Any, errors: dict[str, str], *, status: int = 200) -> Response:
    position = read_cursor("period-closings", request.args.get("cursor"))
    rows = queries.closings(session=g.db, limit=LIMIT_DEFAULT + 1, before_id=position[0] if position else None)
    page, cursor = cut(rows, LIMIT_DEFAULT, "period-closings", lambda row: [row.id])
    ids = {row.closed_by for row in page} | {row.reopened_by for row in page if row.reopened_by}
    with on_platform(g.db):
        people = identity.people(session=g.db, ids=ids)
    return render(
        "money/periods/list.html",
        status=status,
        values=values,
        errors=errors,
        closings=page,
        next_cursor=cursor,
        names={key: person.name or person.email for key, person in people.items()},
    )
