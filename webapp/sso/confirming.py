"""Confirm who one is through the provider that vouched before: asked to sign one in anew, and to say when it did."""

import json
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import structlog
from flask import Blueprint, Response, abort, g, request
from redis.exceptions import RedisError

from webapp.identity.door import recognise_session, safe_next
from webapp.identity.gate import signed_in, surround
from webapp.identity.onward import carried, go_on
from webapp.identity.parcel import Parcel
from webapp.kernel.crypto import of_person
from webapp.kernel.db import on_platform
from webapp.kernel.errors import N_, DomainError
from webapp.sso import commands, queries
from webapp.sso.flows import FlowOver, bind, providers, way_out
from webapp.sso.rules import FLOW_SECONDS, INSTALLATION, Proof, Provider, is_fresh
from webapp.web.limits import limit_sign_in
from webapp.web.render import render
from webapp.web.state import services

bp = Blueprint("sso_confirming", __name__)
KEPT = "session.kept_form"


class SomebodyElse(DomainError):
    """A provider vouches for another person than the one who is signed in."""

    code = "somebody_else"
    status = 403
    title = N_("You could not be signed in")
    message = N_("%(provider)s vouches for another person than the one who is signed in here. Sign out first.")


class NotFresh(DomainError):
    """A provider does not say that somebody signed in there just now."""

    code = "sign_in_not_fresh"
    status = 403
    title = N_("This does not confirm that it is you")
    message = N_(
        "%(provider)s did not say that you signed in there just now, so what you wanted was not done. "
        "Sign out here and come in again: for 10 minutes after that you are not asked."
    )


@bp.app_context_processor
def give_confirming() -> dict[str, Any]:
    """Let the page that asks to confirm offer the providers that can."""
    return {"confirming_providers": confirming_providers}


def confirming_providers() -> list[Provider]:
    """Return the providers that can confirm who sits there.

    That is the one that alone vouches for the session, else those of the installation that the person is linked to:
    what one workspace's provider says holds nowhere else.
    """
    with on_platform(g.db) if g.db.info.get("tenant") else nullcontext():
        if g.live.only_tenant_id is not None:
            alone = queries.provider_of(session=g.db, tenant_id=g.live.only_tenant_id)
            found = [alone] if alone else []
        else:
            linked = queries.issuers_of(session=g.db, scope=INSTALLATION, person_id=g.person.id) if providers() else ()
            found = [one for one in providers() if one.issuer in linked]
    # GitHub never says when somebody signed in there.
    return [one for one in found if one.kind != "github"]


@bp.post("/confirmation/through")
@signed_in
@limit_sign_in
def start() -> Response:
    """Send the browser to a provider to sign in anew, with what was typed kept here."""
    key = request.form.get("confirm_provider", "")
    provider = next((one for one in confirming_providers() if one.key == key), None)
    if provider is None:
        abort(404)
    place, kept = way_out(provider, anew=True)
    kept["session"], kept["since"] = str(g.session_id), str(int(g.at.timestamp()))
    parcel = carried()
    kept["next"] = safe_next(request.form.get("confirm_leave" if parcel else "confirm_to"))
    if parcel is not None:
        _keep(kept["state"], parcel)
    return bind(render("sso/onward.html", onward=place, provider=provider), kept)


start.is_way_out = True  # type: ignore[attr-defined] # also for a session that opens one workspace alone


def confirm_by(provider: Provider, proof: Proof, kept: dict[str, str]) -> Response:
    """Note the confirmation and go on with what was typed, in the session that asked for it and in no other.

    Raises FlowOver, SomebodyElse, NotFresh.
    """
    person = recognise_session()
    if person is None or str(g.session_id) != kept["session"]:
        raise FlowOver
    if queries.person_of(session=g.db, scope=provider.scope, proof=proof) != person.id:
        raise SomebodyElse(provider=provider.name)
    if not is_fresh(proof.signed_in_at, since=int(kept["since"])):
        raise NotFresh(provider=provider.name)
    commands.touch_identity(session=g.db, at=g.at, scope=provider.scope, proof=proof)
    surround()
    return go_on(_take(kept["state"]), kept["next"], means="provider", is_elsewhere=True)


def _keep(state: str, parcel: Parcel) -> None:
    """Keep a form until the browser comes back, sealed; without Valkey it is typed again."""
    plain = json.dumps(asdict(parcel)).encode()
    try:
        sealed = services().keys.seal(plain, context=of_person(KEPT, g.person.id))
        services().redis.set(f"{KEPT}:{state}", sealed, ex=FLOW_SECONDS)
    except RedisError as error:
        structlog.get_logger().warning("confirmation.form_not_kept", error=type(error).__name__)


def _take(state: str) -> Parcel | None:
    try:
        sealed: Any = services().redis.getdel(f"{KEPT}:{state}")
    except RedisError as error:
        structlog.get_logger().warning("confirmation.form_not_kept", error=type(error).__name__)
        return None
    if sealed is None:
        return None
    found = json.loads(services().keys.open(sealed, context=of_person(KEPT, g.person.id)))
    return Parcel(found["path"], tuple((name, value) for name, value in found["fields"]), tuple(found["files"]))
