"""The dashboard: what there is, what came and went, what waits for a person."""

from calendar import monthrange
from datetime import date
from itertools import pairwise
from typing import Any

from babel.dates import format_date
from flask import Blueprint, Response, current_app, flash, g, request, url_for
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts import queries as accounts
from tenants.money.accounts.names import spoken_name
from tenants.money.dashboard import queries, review, rules
from webapp.access.door import permitted_wholly
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.web.render import frame, money, render, see_other
from webapp.web.state import services

bp = Blueprint("money_dashboard", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/")
@requires(Permission.LEDGER_ACCOUNTS_READ)
def show() -> Response:
    """Show the figures of the picked period."""
    picked = request.args.get("months", "")
    count = int(picked) if picked.isdecimal() and int(picked) in rules.PERIODS else rules.PERIOD_DEFAULT
    today = g.at.date()
    found = queries.dashboard(session=g.db, today=today, months_count=count, base_currency=g.tenant.base_currency)
    return render(
        "money/dashboard/dashboard.html",
        found=found,
        months_count=count,
        periods=rules.PERIODS,
        worth_points=_worth_points(found, today),
        flow_periods=_flow_periods(found.flows),
        percent=rules.change_percent(found.worth.values[0], found.worth.now),
        savings=rules.savings_percent(found.flows),
        income=sum(flow.income for flow in found.flows),
        expense=sum(flow.expense for flow in found.flows),
        working=queries.working_imports(session=g.db) if frame().may(Permission.IMPORTS_IMPORTS_READ.value) else [],
        **_review(found.to_review),
        reviews=Permission.LEDGER_ENTRIES_READ in permitted_wholly(),
        accounts_href=_way("money_accounts.list_accounts"),
        imports_href=_way("money_imports.list_imports"),
        account_href=lambda account_id: _way("money_ledger.list_entries", q=f"account:#{account_id}"),
        import_href=lambda import_id: (
            _way("money_imports.show_import", import_id=import_id)
            if frame().may(Permission.IMPORTS_IMPORTS_READ.value)
            else None
        ),
        worth_summary=_worth_summary(found),
        change_note=_change_note(found),
        flow_summary=_flow_summary(found),
    )


@bp.get("/review")
@requires(Permission.LEDGER_ENTRIES_READ)
def show_review() -> Response:
    """Show the card of what waits for a category anew; without scripts, the register of it."""
    if request.headers.get("HX-Request-Type") != "partial":
        return see_other(url_for("money_ledger.list_entries", q="is:uncategorised"))
    return render("money/dashboard/review.html", **_review(review.count(session=g.db)))


@bp.post("/review/<int:entry_id>")
@requires(Permission.LEDGER_ENTRIES_WRITE)
def accept(entry_id: int) -> Response:
    """Accept what an entry probably is, in place; the answer is the card without it, and a way to undo."""
    change_id = services().new_id()
    category_id = request.form.get("category_id", 0, type=int)
    review.accept(session=g.db, actor=g.actor, at=g.at, change_id=change_id, entry_id=entry_id, category_id=category_id)
    category = accounts.account(session=g.db, account_id=category_id)
    name = spoken_name(category) if category else ""
    if request.headers.get("HX-Request-Type") != "partial":
        flash(_("Categorised as %(category)s.", category=name), "success")
        return see_other(url_for("money_dashboard.show"))
    found = _review(review.count(session=g.db))
    return render("money/dashboard/review.html", **found | {"undo_id": change_id, "accepted": name})


def _review(to_review: int) -> dict[str, Any]:
    """Return what the card of what waits for a category needs."""
    waiting = review.waiting(session=g.db) if to_review else []
    ids = {one.category_id for one in waiting if one.category_id}
    names = {key: spoken_name(one) for key, one in accounts.accounts_by_id(session=g.db, ids=ids).items()}
    return {
        "to_review": to_review,
        "waiting": waiting,
        "category_names": names,
        "review_href": _way("money_ledger.list_entries", q="is:uncategorised"),
        "undo_id": None,
    }


def _way(endpoint: str, **values: Any) -> str | None:
    """Return the address of another room's page; None while that room is not part of the application."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None


def _month(day: date, style: str) -> str:
    return format_date(day, format=style, locale=get_locale())


def _worth_points(found: queries.Dashboard, today: date) -> list[dict[str, Any]]:
    """Return the worth before the period and after each month; the last point is today."""
    before = rules.add_months(found.months[0], -1)
    points = []
    for month, value in zip((before, *found.months), found.worth.values, strict=True):
        last = min(month.replace(day=monthrange(month.year, month.month)[1]), today)
        points.append(
            {
                "label": _month(last, "d MMMM y"),
                "short": _month(month, "MMM yy" if month.month == 1 else "MMM"),
                "value": value,
                "href": _way("money_ledger.list_entries", q=f"date:{month:%Y-%m}"),
            }
        )
    return points


def _flow_periods(flows: tuple[rules.MonthFlow, ...]) -> list[dict[str, Any]]:
    return [
        {
            "label": _month(flow.month, "MMMM y"),
            "short": _month(flow.month, "MMM"),
            "income": flow.income,
            "expense": flow.expense,
            "href": _way("money_ledger.list_entries", q=f"date:{flow.month:%Y-%m}"),
        }
        for flow in flows
    ]


def _change_note(found: queries.Dashboard) -> str:
    count = len(found.months)
    amount = money(abs(found.worth.change), found.worth.currency)
    if found.worth.change < 0:
        return ngettext(
            "%(amount)s less than %(num)d month ago", "%(amount)s less than %(num)d months ago", count, amount=amount
        )
    return ngettext(
        "%(amount)s more than %(num)d month ago", "%(amount)s more than %(num)d months ago", count, amount=amount
    )


def _worth_summary(found: queries.Dashboard) -> str:
    values = found.worth.values
    grew = sum(later > earlier for earlier, later in pairwise(values))
    if len(set(values)) == 1:
        return _("It did not move in this period.")
    return _(
        "It grew in %(grew)s of %(count)s months, between %(low)s and %(high)s.",
        grew=grew,
        count=len(values) - 1,
        low=money(min(values), found.worth.currency),
        high=money(max(values), found.worth.currency),
    )


def _flow_summary(found: queries.Dashboard) -> str:
    net = sum(flow.net for flow in found.flows)
    amount = money(abs(net), found.worth.currency)
    if net >= 0:
        return _("%(amount)s more came in than went out.", amount=amount)
    return _("%(amount)s more went out than came in.", amount=amount)
