"""Ways in through a provider: out with a bound browser, back with a code, and in as whom the provider vouches for."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, g, redirect, request, url_for
from flask_babel import gettext as _

from webapp.identity import queries as identity
from webapp.identity import sessions
from webapp.identity.door import anonymous, begin_session, recognise_session, remember, safe_next
from webapp.identity.gate import first_page, public, surround
from webapp.identity.notices import tell
from webapp.kernel.errors import N_, DomainError
from webapp.sso import commands, queries
from webapp.sso.confirming import SomebodyElse, confirm_by
from webapp.sso.flows import be_back, provider_of_workspace, providers, send, way_back
from webapp.sso.rules import Proof, Provider
from webapp.tenancy import queries as tenancy
from webapp.web.limits import limit_sign_in
from webapp.web.render import render

bp = Blueprint("sso", __name__)


class NobodyHere(DomainError):
    """A provider vouches for somebody who has no place here."""

    code = "nobody_here"
    status = 403
    title = N_("You could not be signed in")
    message = N_(
        "%(provider)s confirmed who you are, but nobody here has a verified address of yours. "
        "Ask whoever runs the workspace to invite you, or sign in another way first."
    )


@bp.app_context_processor
def give_ways() -> dict[str, Any]:
    """Let the sign-in page offer the providers of the installation."""
    return {"sign_in_providers": providers}


@bp.get("/sign-in/with/<provider>")
@public
@limit_sign_in
def start(provider: str) -> Response:
    """Send the browser to a provider of the installation."""
    found = next((one for one in providers() if one.key == provider), None)
    if found is None:
        abort(404)
    return send(found, safe_next(request.args.get("next")))


@bp.get("/sign-in/through")
@public
def organisation() -> Response:
    """Ask for the workspace through whose provider somebody comes in."""
    target = safe_next(request.args.get("next"))
    parts = target.split("/")
    named = parts[2] if len(parts) > 2 and parts[1] == "t" else ""  # noqa: PLR2004 - /t/<slug>
    return render("sso/organisation.html", next=target, workspace=named, error=None)


@bp.post("/sign-in/through")
@public
@limit_sign_in
def post_organisation() -> Response:
    """Go on to the named workspace's provider; one without a provider is answered like one that is not there.

    The answer is a page with a way onward: our policy lets a form lead to no other site, not even by redirects.
    """
    typed, target = request.form.get("workspace", "").strip().lower()[:40], safe_next(request.form.get("next"))
    found = provider_of_workspace(typed)
    if found is None:
        error = _("No workspace of this name signs people in through a provider. Check its address, after /t/.")
        return render("sso/organisation.html", status=422, next=target, workspace=typed, error=error)
    onward = url_for("sso.start_of_workspace", workspace=typed, next=target)
    return render("sso/onward.html", onward=onward, provider=found)


@bp.get("/sign-in/through/<workspace>")
@public
@limit_sign_in
def start_of_workspace(workspace: str) -> Response:
    """Send the browser to the provider of a workspace."""
    found = provider_of_workspace(workspace)
    if found is None:
        abort(404)
    place, target = f"/t/{workspace}/", safe_next(request.args.get("next"))
    return send(found, target if target.startswith(place) else place)


@bp.get("/sign-in/callback")
@public
@limit_sign_in
def finish() -> Response:
    """Take a browser back from a provider."""
    provider, proof, kept = way_back()
    if "session" in kept:
        return be_back(confirm_by(provider, proof, kept))
    return be_back(_let_in(provider, proof, kept["next"]))


def _let_in(provider: Provider, proof: Proof, target: str) -> Response:
    """Sign in as the person whom the proof is of, or add the proof to the session that is there."""
    present = recognise_session()
    session, at = g.db, g.at
    if present is None:
        g.actor = anonymous()
    known = queries.person_of(session=session, scope=provider.scope, proof=proof)
    person_id = known or _by_address(provider, proof, present.id if present else None)
    if present is not None and provider.tenant_id is not None:
        # Who is signed in already brings the proof along; an identity that is new becomes theirs, as they came by it.
        if person_id not in {None, present.id}:
            raise SomebodyElse(provider=provider.name)
        person_id = present.id
    if person_id is None or (provider.tenant_id and not _is_member(provider.tenant_id, person_id)):
        raise NobodyHere(provider=provider.name)
    person = identity.people(session=session, ids={person_id})[person_id]
    if present is None or provider.tenant_id is None:
        remember(person, via="link")
    if known is None:
        commands.link_identity(
            session=session, actor=g.actor, at=at, scope=provider.scope, proof=proof, person_id=person_id
        )
        told = {"provider": provider.name}
        tell(session=session, actor=g.actor, at=at, person_id=person_id, kind="identity_linked", params=told)
    else:
        commands.touch_identity(session=session, at=at, scope=provider.scope, proof=proof)
    if provider.tenant_id is None:
        surround()
        return begin_session(person_id, first_page(person_id) if target == "/" else target)
    if present is not None:
        sessions.mark_single_sign_on(
            session=session, session_id=g.session_id, tenant_id=provider.tenant_id, is_alone=False
        )
        return redirect(target, 303)  # type: ignore[return-value]
    return begin_session(person_id, target, only_tenant_id=provider.tenant_id)


def _by_address(provider: Provider, proof: Proof, present: UUID | None) -> UUID | None:
    """Return the person with the address that the provider verified; of a workspace's provider, a member there only."""
    if not proof.email or (present is not None and provider.tenant_id is not None):
        return None
    found = identity.person_by_email(session=g.db, email=proof.email)
    return None if found is None else found.id


def _is_member(tenant_id: UUID, person_id: UUID) -> bool:
    tenant = tenancy.tenant_by_id(session=g.db, tenant_id=tenant_id)
    return tenant is not None and tenancy.membership(session=g.db, slug=tenant.slug, person_id=person_id) is not None
