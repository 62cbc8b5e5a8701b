"""A form that came too late: its session or its token has ended, what was typed has not."""

from urllib.parse import quote, urlsplit

from flask import Response, request, url_for
from flask_babel import gettext as _

from webapp.identity.door import safe_next
from webapp.identity.parcel import Parcel, collect, form_owner, holds_password, is_secret, mark_of, seal
from webapp.identity.queries import PersonView
from webapp.web.render import error_page, render

SIGNED_OUT, REFUSED = 401, 403


def signed_out() -> Response:
    """Answer an unsafe request whose session has ended: sign in here, and what was typed is offered again.

    A script's request leaves the page, and what is typed there, as it is.
    """
    if request.headers.get("HX-Request") == "true":
        said = _("You were signed out. What you typed is still here: sign in in another window, then try again.")
        return error_page(SIGNED_OUT, title=said, detail="")
    owner, parcel = form_owner(), collect()
    is_worth_it = not holds_password() and any(not is_secret(name) for name in request.form)
    kept = parcel if owner and not holds_password() else None
    return render(
        "identity/sign_in.html",
        status=SIGNED_OUT,
        next=_page_of_form(),
        email="",
        error=None,
        parcel=seal(kept, owner) if kept and owner else "",
        kept=kept,
        is_lost=kept is None and is_worth_it,
        signed_out=True,
    )


def too_old(person: PersonView | None) -> Response | None:
    """Answer a form of ours whose token is no longer valid, sent from our own page; None when it must be refused.

    `person` is who is signed in now, if anybody. The form of somebody else is refused, and nothing of it shown.
    """
    owner = form_owner()
    if not _comes_from_here() or owner is None:
        return None
    if request.endpoint == "identity.post_sign_in":
        email = request.form.get("email", "").replace("\0", "").strip()
        error = _("This page had been open for too long. Please sign in once more.")
        parcel = request.form.get("parcel", "")
        return render(
            "identity/sign_in.html",
            status=REFUSED,
            next=safe_next(request.form.get("next")),
            email=email,
            error=error,
            parcel=parcel,
        )
    if owner and person is None:
        return signed_out()
    if owner and person is not None and owner != mark_of(person.id):
        return None
    parcel = collect()
    return None if parcel is None else offer_again(parcel, status=REFUSED)


def offer_again(parcel: Parcel, *, status: int = 200, is_confirmed: bool = False) -> Response:
    """Show what was typed and ask whether to send it: nothing is sent by itself.

    `is_confirmed` says that who typed it was asked to confirm who they are, and has.
    """
    shown = [value for _name, value in parcel.fields if value.strip()]
    return render("identity/send_again.html", status=status, parcel=parcel, shown=shown, is_confirmed=is_confirmed)


def _comes_from_here() -> bool:
    """Tell whether the browser says that a page of ours sent this; one that says nothing is not believed."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    return site == "same-origin" or (site is None and origin == request.host_url.rstrip("/"))


def _page_of_form() -> str:
    """Return the local page that the form stood on, to go on from there."""
    parts = urlsplit(request.referrer or "")
    is_local = f"{parts.scheme}://{parts.netloc}/" == request.host_url
    return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}" if is_local else "/"


def to_sign_in() -> str:
    """Return the address of the sign-in page that leads back to the page that was asked for."""
    here = request.full_path.rstrip("?")
    return url_for("identity.sign_in") + f"?next={quote(here, safe='/')}"
