"""Pages of holds."""

from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.names import spoken_name
from tenants.money.accounts.shown import keep_account, keep_within, kept_accounts, kept_ids
from tenants.money.holds import commands, queries
from tenants.money.holds.forms import read_capture, read_hold
from tenants.money.holds.queries import HoldView
from tenants.money.holds.rules import State
from tenants.money.ledger.refusals import OF_THE_DAY, OF_THE_SUM
from webapp.access.guard import Forbidden, requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import DomainError, NotFound
from webapp.web.fields import decimal_sign, field_errors
from webapp.web.limits import moves_money
from webapp.web.pagination import LIMIT_DEFAULT, cut, read_cursor
from webapp.web.render import render, see_other
from webapp.web.state import services
from webapp.web.unit import refusable

bp = Blueprint("money_holds", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)
keep_within(bp, "hold_id", lambda key: queries.account_of(session=g.db, hold_id=key))


@bp.get("/holds")
@requires(Permission.LEDGER_HOLDS_READ)
def list_holds() -> Response:
    """Show the active holds, or all of them."""
    return _list({}, {})


@bp.post("/holds")
@requires(Permission.LEDGER_HOLDS_WRITE)
@moves_money
def place_hold() -> Response:
    """Place a hold."""
    currencies = {one.id: one.currency for one in kept_accounts(kinds=("asset",))}
    try:
        draft = read_hold(request.form, currencies=currencies, decimal_sign=decimal_sign())
        keep_account(draft.account_id)
        with refusable():
            commands.place_hold(session=g.db, actor=g.actor, at=g.at, draft=draft, job_id=services().new_id())
    except (Forbidden, NotFound):
        raise
    except DomainError as error:
        return _list(request.form, field_errors(error, places=dict.fromkeys(OF_THE_SUM, "amount")), status=422)
    flash(_("The money is held."), "success")
    return see_other(url_for("money_holds.list_holds"))


@bp.get("/holds/<int:hold_id>")
@requires(Permission.LEDGER_HOLDS_READ)
def show_hold(hold_id: int) -> Response:
    """Show one hold, with what can be done with it."""
    return _hold(_found(hold_id), {}, {})


@bp.post("/holds/<int:hold_id>/capture")
@requires(Permission.LEDGER_HOLDS_WRITE)
@moves_money
def capture_hold(hold_id: int) -> Response:
    """Book what is held, or part of it."""
    hold = _found(hold_id)
    try:
        capture = read_capture(request.form, currency=hold.currency, today=g.at.date(), decimal_sign=decimal_sign())
        keep_account(capture.to_account_id)
        with refusable():
            commands.capture_hold(
                session=g.db,
                actor=g.actor,
                at=g.at,
                hold_id=hold_id,
                to_account_id=capture.to_account_id,
                day=capture.day,
                minor=capture.minor,
                description=capture.description,
            )
    except (Forbidden, NotFound):
        raise
    except DomainError as error:
        return _hold(_found(hold_id), request.form, field_errors(error, places=OF_THE_DAY), status=422)
    flash(_("It is booked."), "success")
    return see_other(url_for("money_holds.show_hold", hold_id=hold_id))


@bp.post("/holds/<int:hold_id>/release")
@requires(Permission.LEDGER_HOLDS_WRITE)
@moves_money
def release_hold(hold_id: int) -> Response:
    """Give free what is held."""
    commands.release_hold(session=g.db, actor=g.actor, at=g.at, hold_id=hold_id)
    flash(_("The money is free again."), "success")
    return see_other(url_for("money_holds.list_holds"))


def _list(values: Any, errors: dict[str, str], *, status: int = 200) -> Response:
    position = read_cursor("holds", request.args.get("cursor"))
    everything = request.args.get("all") == "1"
    rows = queries.holds(
        session=g.db,
        within=kept_ids(),
        limit=LIMIT_DEFAULT + 1,
        before_id=position[0] if position else None,
        state=None if everything else State.ACTIVE.value,
    )
    page, cursor = cut(rows, LIMIT_DEFAULT, "holds", lambda row: [row.id])
    accounts = kept_accounts(kinds=("asset",))
    return render(
        "money/holds/list.html",
        status=status,
        values=values,
        errors=errors,
        holds=page,
        everything=everything,
        next_cursor=cursor,
        names={one.id: spoken_name(one) for one in accounts},
        accounts=[(one.id, f"{spoken_name(one)} ({one.currency})") for one in accounts if one.closed_on is None],
    )


def _hold(hold: HoldView, values: Any, errors: dict[str, str], *, status: int = 200) -> Response:
    accounts = [one for one in kept_accounts() if one.currency == hold.currency]
    return render(
        "money/holds/hold.html",
        status=status,
        hold=hold,
        values=values,
        errors=errors,
        today=g.at.date(),
        account=account_queries.account(session=g.db, account_id=hold.account_id),
        targets=[(one.id, spoken_name(one)) for one in accounts if one.id != hold.account_id and one.closed_on is None],
    )


def _found(hold_id: int) -> HoldView:
    hold = queries.hold(session=g.db, hold_id=hold_id)
    if hold is None:
        raise NotFound
    return hold
