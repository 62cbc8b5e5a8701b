"""Who asks? The browser's session cookie or an API token, read once per request."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from flask import Response, after_this_request, current_app, g, request

from webapp.identity import queries, sessions, tokens
from webapp.identity.cookies import cookie_name, known_device, remember_device, set_cookie
from webapp.identity.factors import has_second_factor
from webapp.identity.notices import tell
from webapp.identity.parcel import claim_forms
from webapp.identity.queries import Bearer, LiveSession, PersonView
from webapp.identity.rules import hash_secret, is_within, parse_token
from webapp.identity.second_step import ask_second_step
from webapp.kernel.actor import Actor, Via
from webapp.kernel.db import bind_platform
from webapp.kernel.errors import N_, DomainError
from webapp.web.limits import count_page
from webapp.web.render import frame, see_other
from webapp.web.state import services
from webapp.web.unit import FAILED, open_unit

ACCESS_TOKENS = "access_tokens"
JWT_DOTS = 2


class WrongNetwork(DomainError):
    """A token was sent from an address that is in none of its networks."""

    code = "token_network"
    status = 403
    title = N_("You may not do this")
    message = N_("This token does not work from %(address)s. Its owner named the networks that it works from.")


class ElsewhereOnly(DomainError):
    """A session that one workspace's provider vouches for asks for what is not that workspace's."""

    code = "session_of_one_workspace"
    status = 403
    title = N_("This needs a sign-in of your own")
    message = N_(
        "You came in through the single sign-on of one workspace, which opens that workspace alone. "
        "Sign out, then sign in with your own password or passkey."
    )


def keep_within(tenant_id: UUID | None) -> None:
    """Refuse what lies outside the one workspace that a session opens; `tenant_id` is None for pages of the platform.

    Whoever runs that workspace's provider would else come in everywhere as any member. Raises ElsewhereOnly.
    """
    only = g.live.only_tenant_id
    if only is not None and only != tenant_id:
        raise ElsewhereOnly


def recognise_session() -> PersonView | None:
    """Find the person of the session cookie; the transaction is bound to the platform afterwards."""
    session = open_unit()
    bind_platform(session)
    secret = request.cookies.get(cookie_name(), "")
    at = services().clock()
    g.at = at
    idle = timedelta(seconds=services().settings.session_idle_seconds)
    found = queries.live_session(session=session, secret_hash=hash_secret(secret), at=at, idle=idle) if secret else None
    count_page(found and found.person.id)
    if found is None:
        return None
    g.session_id, g.live = found.id, found
    g.second_factor = found.second_factor_at is not None
    sessions.touch_session(
        session=session,
        session_id=found.id,
        seen_at=found.seen_at,
        seen_address=found.seen_address,
        at=at,
        address=request.remote_addr or "",
    )
    if found.is_renewal_due and request.method == "GET" and "HX-Request" not in request.headers:
        _renew(found)
    remember(found.person, via="session", through_id=str(found.id))
    return found.person


def _renew(found: LiveSession) -> None:
    """Let the session go on under a new secret; the browser learns it with the page that is committed."""
    secret = services().new_secret()
    sessions.renew_session(session=g.db, session_id=found.id, secret=secret)

    @after_this_request
    def hand_over(response: Response) -> Response:
        if response.status_code < FAILED:
            set_cookie(response, secret)
        return response


def recognise_token() -> Bearer | None:
    """Find who stands behind the Authorization header; the transaction is bound to the platform afterwards.

    Raises WrongNetwork.
    """
    session = open_unit()
    bind_platform(session)
    g.at = services().clock()
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    parts = parse_token(text.strip()) if scheme.lower() == "bearer" else None
    if parts is None:
        found = _of_access_token(text.strip()) if scheme.lower() == "bearer" else None
    else:
        found = queries.bearer(session=session, token_id=parts.id, secret_hash=parts.secret_hash, at=g.at)
    if found is not None:
        if not is_within(request.remote_addr or "", found.networks):
            raise WrongNetwork(address=request.remote_addr or "")
        g.networks, g.is_machine = found.networks, found.machine_role is not None
        if parts is not None:
            tokens.touch_token(session=session, token_id=found.token_id, used_at=found.used_at, at=g.at)
        remember(found.person, via="token", through_id=found.token_id, label=found.person.name if g.is_machine else "")
    return found


def _of_access_token(text: str) -> Bearer | None:
    """Return who stands behind an access token of the authorization server, which the composition root names."""
    recognise = current_app.extensions.get(ACCESS_TOKENS)
    return recognise(text) if recognise is not None and text.count(".") == JWT_DOTS else None


def remember(person: PersonView, *, via: Via, through_id: str = "", label: str = "") -> None:
    """Keep the person for the rest of the request: pages, commands and logs name the same actor.

    `through_id` is the id of the session or of the token that they came with, `label` what a machine is called.
    """
    g.person = person
    g.actor = Actor(
        person_id=person.id,
        label=label,
        via=via,
        request_id=g.get("request_id", ""),
        source_address=request.remote_addr or "",
        through_id=through_id,
    )
    frame().person = person
    if via != "token":
        claim_forms(person.id)
    structlog.contextvars.bind_contextvars(person_id=str(person.id))


def safe_next(target: str | None) -> str:
    """Return the local path to go on to; never another site."""
    parts = urlsplit(target or "/")
    local = not parts.scheme and not parts.netloc and parts.path.startswith("/")
    return target if target and local and target.isprintable() and not re.search(r"^//|\\", target) else "/"


def begin_session(
    person_id: UUID,
    target: str,
    *,
    instead: Response | None = None,
    second_factor: bool = False,
    only_tenant_id: UUID | None = None,
) -> Response:
    """Open a new session and go on: the one of this browser ends, and the account knows the browser now.

    `instead` is the answer when there is something to see before one goes on. Who has a second factor and has not
    shown it (`second_factor`) is asked for it first, by whatever way they came. A session that `only_tenant_id` alone
    vouches for opens that workspace alone, and the workspace's provider has asked for what it wants.
    """
    second_factor = second_factor or _has_shown_second(person_id)
    if not second_factor and only_tenant_id is None and has_second_factor(session=g.db, person_id=person_id):
        return ask_second_step(person_id, safe_next(target))
    at, secret = services().clock(), services().new_secret()
    is_going_on = end_present_session(at) == person_id or ("session_id" in g and g.person.id == person_id)
    session_id = services().new_id()
    g.actor = replace(g.actor, through_id=str(session_id))
    if not is_going_on and not known_device(person_id) and queries.has_signed_in(session=g.db, person_id=person_id):
        browser = {"browser": request.headers.get("User-Agent", "")}
        tell(session=g.db, actor=g.actor, at=at, person_id=person_id, kind="device_signed_in", params=browser)
    sessions.open_session(
        session=g.db,
        actor=g.actor,
        at=at,
        session_id=session_id,
        secret=secret,
        person_id=person_id,
        life=timedelta(seconds=services().settings.session_absolute_seconds),
        user_agent=request.headers.get("User-Agent", ""),
        second_factor=second_factor,
    )
    if only_tenant_id is not None:
        sessions.mark_single_sign_on(session=g.db, session_id=session_id, tenant_id=only_tenant_id, is_alone=True)
    response = instead or see_other(safe_next(target))
    set_cookie(response, secret)
    remember_device(response, person_id)
    return response


def _has_shown_second(person_id: UUID) -> bool:
    """Tell whether this browser's session, which begins anew, has shown this person's second factor."""
    return "session_id" in g and g.person.id == person_id and bool(g.second_factor)


def end_present_session(at: datetime) -> UUID | None:
    """End the session whose cookie came along, so that nobody goes on with a secret that was planted; return whose."""
    planted = request.cookies.get(cookie_name(), "")
    idle = timedelta(seconds=services().settings.session_idle_seconds)
    found = queries.live_session(session=g.db, secret_hash=hash_secret(planted), at=at, idle=idle)
    if found is not None:
        sessions.revoke_session(session=g.db, actor=g.actor, at=at, person_id=found.person.id, session_id=found.id)
    return None if found is None else found.person.id


def anonymous(via: Via = "link") -> Actor:
    """Return the actor of a request before anybody is known."""
    return Actor(
        person_id=Actor.system("").person_id,
        label="",
        via=via,
        request_id=g.get("request_id", ""),
        source_address=request.remote_addr or "",
    )
