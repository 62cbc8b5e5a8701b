"""Confirm that it is you (step-up): asked before what matters when the last confirmation is too old.

A password, a passkey or a code of an app confirms, and so does a sign-in. A form that was sent is kept on the page
that asks and goes on by itself afterwards; a program's token is never asked.
"""

from contextlib import nullcontext
from urllib.parse import quote, urlsplit

from flask import Response, g, redirect, request, url_for
from flask_babel import gettext as _

from webapp.identity.door import safe_next
from webapp.identity.factors import Factors, factors_of
from webapp.identity.parcel import Parcel, collect, holds_password
from webapp.identity.rules import is_confirmed
from webapp.kernel.db import on_platform
from webapp.web.problem import is_api
from webapp.web.render import error_page, render, see_other

ASKED = 401


class NotConfirmed(Exception):
    """Who asks must show anew who they are; the composition root answers it with `ask_to_confirm`.

    With `second_factor` a password is not enough.
    """

    def __init__(self, *, second_factor: bool = False) -> None:
        self.second_factor = second_factor
        super().__init__()


def need_confirmation() -> None:
    """Let only those go on who have shown within the last 10 minutes who they are; programs are not asked.

    Raises NotConfirmed.
    """
    if not is_api() and not is_confirmed(g.live.confirmed_at, at=g.at):
        raise NotConfirmed


def ask_to_confirm(wanted: NotConfirmed) -> Response:
    """Answer a request that needs a confirmation: the page that asks for it, with what was sent kept on it.

    A script's request is led to the page that asks and back to where it came from.
    """
    here, second = request.full_path.rstrip("?"), wanted.second_factor
    if request.headers.get("HX-Request") == "true":
        response = error_page(ASKED, title=_("Confirm that it is you"), detail="")
        response.headers["HX-Redirect"] = asking_page(
            _page_of_form() if request.method != "GET" else here, second=second
        )
        return response
    if request.method in {"GET", "HEAD"}:
        return redirect(asking_page(here, second=second), 303)  # type: ignore[return-value] # werkzeug's answer is Flask's
    if holds_password():
        # A password is never kept on a page: the form is filled in again once it is known who asks.
        return see_other(asking_page(_page_of_form(), second=second))
    return confirm_page(collect() or Parcel(here, (), ()), status=ASKED, second=second)


def asking_page(target: str, *, second: bool = False) -> str:
    """Return the address of the page that asks (for a second factor alone, if `second`) and leads to `target`."""
    return url_for("confirmation.ask") + f"?next={quote(target, safe='/')}{'&second=1' if second else ''}"


def confirm_page(
    parcel: Parcel | None, *, target: str = "/", status: int = 200, error: str = "", second: bool = False
) -> Response:
    """Show the page that asks; `parcel` is the form that goes on afterwards, else `target` is shown then."""
    shown = Factors(has_password=False, app_since=None, passkeys=[], recovery_codes_left=0)
    if g.live.only_tenant_id is None:
        # Whoever runs the one workspace's provider learns nothing of what the person can show elsewhere.
        with on_platform(g.db) if g.db.info.get("tenant") else nullcontext():
            shown = factors_of(session=g.db, person_id=g.person.id)
    return render(
        "identity/confirm.html",
        status=status,
        parcel=parcel,
        target=parcel.path if parcel else target,
        factors=shown,
        second=second,
        error=error,
        leave_href=_page_of_form() if parcel else "/",
    )


def _page_of_form() -> str:
    """Return the local page that the form stood on."""
    parts = urlsplit(request.referrer or "")
    is_local = f"{parts.scheme}://{parts.netloc}/" == request.host_url
    return safe_next(f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}") if is_local else "/"
