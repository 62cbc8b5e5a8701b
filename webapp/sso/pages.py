"""Ways in through a provider: out with a bound browser, back with a code, and in as whom the provider vouches for."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, current_app, g, redirect, request, url_for
from flask_babel import gettext as _
from itsdangerous import BadData, URLSafeTimedSerializer

from webapp.identity import queries as identity
from webapp.identity import sessions
from webapp.identity.door import anonymous, begin_session, recognise_session, remember, safe_next
from webapp.identity.gate import first_page, public, surround
from webapp.identity.notices import tell
from webapp.kernel.db import bind_platform
from webapp.kernel.errors import N_, DomainError
from webapp.sso import commands, queries
from webapp.sso.relying import Caller, Flow, ProviderFailed, is_same
from webapp.sso.rules import FLOW_SECONDS, Proof, Provider, read_providers
from webapp.tenancy import queries as tenancy
from webapp.web.addresses import outside
from webapp.web.limits import limit_sign_in
from webapp.web.render import render, see_other
from webapp.web.state import services
from webapp.web.unit import close_unit, open_unit

bp = Blueprint("sso", __name__)
CALLER = "sso_caller"
PROVIDERS = "sso_providers"


class NobodyHere(DomainError):
    """A provider vouches for somebody who has no place here."""

    code = "nobody_here"
    status = 403
    title = N_("You could not be signed in")
    message = N_(
        "%(provider)s confirmed who you are, but nobody here has a verified address of yours. "
        "Ask whoever runs the workspace to invite you, or sign in another way first."
    )


class SomebodyElse(DomainError):
    """A provider vouches for another person than the one who is signed in."""

    code = "somebody_else"
    status = 403
    title = N_("You could not be signed in")
    message = N_("%(provider)s vouches for another person than the one who is signed in here. Sign out first.")


class FlowOver(DomainError):
    """A browser comes back from a provider without having gone there, or too late."""

    code = "sign_in_flow"
    status = 400
    title = N_("You could not be signed in")
    message = N_("This way in was not begun in this browser, or took too long. Begin again from the sign-in page.")


def providers() -> tuple[Provider, ...]:
    """Return the providers of the installation."""
    if PROVIDERS not in current_app.extensions:
        current_app.extensions[PROVIDERS] = read_providers(services().settings.sign_in_providers)
    found: tuple[Provider, ...] = current_app.extensions[PROVIDERS]
    return found


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
    return _send(found, safe_next(request.args.get("next")))


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
    """Go on to the named workspace's provider; one without a provider is answered like one that is not there."""
    typed, target = request.form.get("workspace", "").strip().lower()[:40], safe_next(request.form.get("next"))
    if _of_workspace(typed) is None:
        error = _("No workspace of this name signs people in through a provider. Check its address, after /t/.")
        return render("sso/organisation.html", status=422, next=target, workspace=typed, error=error)
    return see_other(url_for("sso.start_of_workspace", workspace=typed, next=target))


@bp.get("/sign-in/through/<workspace>")
@public
@limit_sign_in
def start_of_workspace(workspace: str) -> Response:
    """Send the browser to the provider of a workspace."""
    found = _of_workspace(workspace)
    if found is None:
        abort(404)
    place, target = f"/t/{workspace}/", safe_next(request.args.get("next"))
    return _send(found, target if target.startswith(place) else place)


def _of_workspace(slug: str) -> Provider | None:
    session = open_unit()
    bind_platform(session)
    tenant = tenancy.tenant_by_slug(session=session, slug=slug.replace("\0", ""))
    found = queries.provider_of(session=session, tenant_id=tenant.id) if tenant else None
    close_unit(commit=False)
    return found


@bp.get("/sign-in/callback")
@public
@limit_sign_in
def finish() -> Response:
    """Take a browser back from a provider."""
    kept = _kept()
    if not is_same(kept["state"], request.args.get("state", "")):
        raise FlowOver
    provider = _provider(kept["provider"])
    code = request.args.get("code", "")
    if not code or request.args.get("iss", provider.issuer).rstrip("/") != provider.issuer:
        raise ProviderFailed(provider=provider.name)
    flow = Flow(kept["state"], kept["nonce"], kept["verifier"])
    proof = _caller().prove(provider, flow, code=code, redirect_uri=_redirect_uri(), at=services().clock())
    response = _let_in(provider, proof, kept["next"])
    response.delete_cookie(_cookie(), secure=services().settings.secure, httponly=True, samesite="Lax")
    return response


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


def _send(provider: Provider, target: str) -> Response:
    flow = Flow(services().new_secret(), services().new_secret(), services().new_secret())
    address = _caller().address(provider, flow, redirect_uri=_redirect_uri(), at=services().clock())
    response: Response = redirect(address, 303)  # type: ignore[assignment]
    kept = {
        "provider": provider.key,
        "state": flow.state,
        "nonce": flow.nonce,
        "verifier": flow.verifier,
        "next": target,
    }
    # Lax, not Strict: the provider sends the browser back from another site.
    response.set_cookie(
        _cookie(),
        _flows().dumps(kept),
        max_age=FLOW_SECONDS,
        secure=services().settings.secure,
        httponly=True,
        samesite="Lax",
        path="/",
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _kept() -> dict[str, str]:
    try:
        found: dict[str, str] = _flows().loads(request.cookies.get(_cookie(), ""), max_age=FLOW_SECONDS)
    except BadData:
        raise FlowOver from None
    return found


def _provider(key: str) -> Provider:
    found = next((one for one in providers() if one.key == key), None)
    if found is None and key.startswith("t/"):
        session = open_unit()
        bind_platform(session)
        found = queries.provider_of(session=session, tenant_id=UUID(key[2:]))
        close_unit(commit=False)
    if found is None:
        raise FlowOver
    return found


def _caller() -> Caller:
    if CALLER not in current_app.extensions:
        current_app.extensions[CALLER] = Caller(services().settings.outbound_origins)
    found: Caller = current_app.extensions[CALLER]
    return found


def _redirect_uri() -> str:
    return outside(url_for("sso.finish"))


def _cookie() -> str:
    return "__Host-comptoir-flow" if services().settings.secure else "comptoir-flow"


def _flows() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(services().settings.secret_key, salt="sign-in flow")
