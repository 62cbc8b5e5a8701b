"""The way to a provider and back: a browser is bound to it by a signed cookie, for ten minutes."""

from uuid import UUID

from flask import Response, current_app, redirect, request, url_for
from itsdangerous import BadData, URLSafeTimedSerializer

from webapp.kernel.db import bind_platform
from webapp.kernel.errors import N_, DomainError
from webapp.sso import queries
from webapp.sso.relying import Caller, Flow, ProviderFailed, is_same
from webapp.sso.rules import FLOW_SECONDS, Proof, Provider, read_providers
from webapp.tenancy import queries as tenancy
from webapp.web.addresses import outside
from webapp.web.state import services
from webapp.web.unit import close_unit, open_unit

CALLER = "sso_caller"
PROVIDERS = "sso_providers"


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


def provider_of_workspace(slug: str) -> Provider | None:
    """Return the provider of a workspace, which is asked for before anybody is known."""
    session = open_unit()
    bind_platform(session)
    tenant = tenancy.tenant_by_slug(session=session, slug=slug.replace("\0", ""))
    found = queries.provider_of(session=session, tenant_id=tenant.id) if tenant else None
    close_unit(commit=False)
    return found


def way_out(provider: Provider, *, anew: bool = False) -> tuple[str, dict[str, str]]:
    """Return the address to send a browser to, and what its cookie is to keep; `anew` asks for a sign-in there now."""
    flow = Flow(services().new_secret(), services().new_secret(), services().new_secret())
    place = caller().address(provider, flow, redirect_uri=_redirect_uri(), at=services().clock(), anew=anew)
    kept = {"provider": provider.key, "state": flow.state, "nonce": flow.nonce, "verifier": flow.verifier}
    return place, kept


def bind(response: Response, kept: dict[str, str]) -> Response:
    """Let this browser alone come back from where it is sent."""
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


def send(provider: Provider, target: str) -> Response:
    """Send the browser to a provider, and to `target` afterwards."""
    place, kept = way_out(provider)
    return bind(redirect(place, 303), kept | {"next": target})  # type: ignore[arg-type] # werkzeug's answer is Flask's


def way_back() -> tuple[Provider, Proof, dict[str, str]]:
    """Return who vouches for whom, and what the cookie kept.

    Raises FlowOver, ProviderFailed, OutboundRefused.
    """
    try:
        kept: dict[str, str] = _flows().loads(request.cookies.get(_cookie(), ""), max_age=FLOW_SECONDS)
    except BadData:
        raise FlowOver from None
    if not is_same(kept["state"], request.args.get("state", "")):
        raise FlowOver
    provider = _provider(kept["provider"])
    code = request.args.get("code", "")
    if not code or request.args.get("iss", provider.issuer).rstrip("/") != provider.issuer:
        raise ProviderFailed(provider=provider.name)
    flow = Flow(kept["state"], kept["nonce"], kept["verifier"])
    proof = caller().prove(provider, flow, code=code, redirect_uri=_redirect_uri(), at=services().clock())
    return provider, proof, kept


def be_back(response: Response) -> Response:
    """Let the way be over."""
    response.delete_cookie(_cookie(), secure=services().settings.secure, httponly=True, samesite="Lax")
    return response


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


def caller() -> Caller:
    """Return what speaks with providers."""
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
