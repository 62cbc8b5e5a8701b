"""The doors of the authorization server: metadata, keys, consent, tokens (RFC 6749, 7009, 7662, 8414)."""

from typing import Any

from flask import Blueprint, Response, flash, g, jsonify, request, url_for
from flask_babel import gettext as _

from webapp.access.asker import Asker
from webapp.access.guard import permitted
from webapp.access.permissions import SCOPES, Role
from webapp.access.queries import rulebook_of
from webapp.identity.door import anonymous
from webapp.identity.gate import confirmed, public, signed_in
from webapp.kernel.db import bind_platform
from webapp.kernel.errors import N_, DomainError
from webapp.oauth import commands, queries
from webapp.oauth.recognition import issuer, signer
from webapp.oauth.rules import ALGORITHMS
from webapp.tenancy import queries as tenancy
from webapp.web.render import render, see_other
from webapp.web.state import services
from webapp.web.unit import open_unit

bp = Blueprint("oauth", __name__)
SECRET_WAYS = ("client_secret_basic", "client_secret_post")


class BadRequest(DomainError):
    """A program sends a person here with a request that does not hold; nobody is sent back anywhere."""

    code = "authorization_request"
    status = 400
    title = N_("The program asked in a way that does not hold")
    message = N_("Nothing was granted. Tell whoever makes the program: %(reason)s")


@bp.get("/.well-known/oauth-authorization-server")
@public
def metadata() -> Response:
    """Describe the server (RFC 8414)."""
    root = issuer()
    return jsonify(
        {
            "issuer": root,
            "authorization_endpoint": root + url_for("oauth.authorize"),
            "token_endpoint": root + url_for("oauth.token"),
            "revocation_endpoint": root + url_for("oauth.revoke"),
            "introspection_endpoint": root + url_for("oauth.introspect"),
            "jwks_uri": root + url_for("oauth.keys"),
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_methods_supported": [*SECRET_WAYS, "none"],
            "revocation_endpoint_auth_methods_supported": [*SECRET_WAYS, "none"],
            "introspection_endpoint_auth_methods_supported": [*SECRET_WAYS],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": False,
            "access_token_signing_alg_values_supported": list(ALGORITHMS),
        }
    )


@bp.get("/api/oauth/jwks")
@public
def keys() -> Response:
    """Publish the public keys."""
    _open()
    return jsonify(signer().published(g.db, at=g.at))


@bp.post("/api/oauth/token")
@public
def token() -> Response:
    """Give a token for a code, a refresh token or a service account's own secret."""
    from webapp.oauth.server import server  # noqa: PLC0415 costs a start time

    _open()
    return _kept(server().create_token_response())


@bp.post("/api/oauth/revocation")
@public
def revoke() -> Response:
    """End a grant."""
    return _endpoint("revocation")


@bp.post("/api/oauth/introspection")
@public
def introspect() -> Response:
    """Tell whether an access token holds."""
    return _endpoint("introspection")


@bp.get("/oauth/authorize")
@signed_in
def authorize() -> Response:
    """Ask the person whether the program may."""
    _grant, asked = _asked()
    return render("oauth/consent.html", **asked)


@bp.post("/oauth/authorize")
@signed_in
@confirmed
def consent() -> Response:
    """Send the person back to the program, with a code or with a refusal.

    The answer is a page with a way onward: our policy lets a form lead to no other site, not even by a redirect.
    """
    grant, asked = _asked()
    from authlib.oauth2.rfc6749 import AccessDeniedError  # noqa: PLC0415 costs a start time

    if request.form.get("answer") == "yes":
        g.consented = [one for one in asked["scopes"] if one in request.form.getlist("scopes")]
        if not g.consented:
            flash(_("Choose at least one thing that the program may do, or refuse."), "warn")
            return render("oauth/consent.html", status=422, **asked)
        _status, _body, headers = grant.create_authorization_response(grant.redirect_uri, g.person)
    else:
        denied = AccessDeniedError(redirect_uri=grant.redirect_uri)
        denied.state = grant.request.payload.state
        _status, _body, headers = denied()
    return render("oauth/onward.html", onward=dict(headers)["Location"], client=asked["client"])


@bp.get("/profile/programs")
@signed_in
def programs() -> Response:
    """Show the programs that act for the person."""
    found = queries.programs(session=g.db, person_id=g.person.id, at=g.at)
    return render("oauth/programs.html", programs=found)


@bp.post("/profile/programs/<client_id>/end")
@signed_in
def end_program(client_id: str) -> Response:
    """End everything that a program may in the person's name, from its next call on."""
    client = client_id.replace("\0", "")
    commands.end_program(session=g.db, actor=g.actor, at=g.at, person_id=g.person.id, client_id=client)
    flash(_("The program does nothing in your name any more."), "success")
    return see_other(url_for("oauth.programs"))


def _asked() -> tuple[Any, dict[str, Any]]:
    """Return authlib's grant and what the page shows.

    Raises BadRequest for a request that may not even be answered to the program.
    """
    from authlib.oauth2 import OAuth2Error  # noqa: PLC0415 costs a start time

    from webapp.oauth.server import server  # noqa: PLC0415 costs a start time

    try:
        grant = server().get_consent_grant(end_user=g.person)
    except OAuth2Error as error:
        raise BadRequest(reason=error.description or error.error) from None
    client = grant.client.view
    tenant = tenancy.tenant_by_id(session=g.db, tenant_id=client.tenant_id)
    place = tenant and tenancy.membership(session=g.db, slug=tenant.slug, person_id=g.person.id)
    if not place or not grant.request.payload.redirect_uri:
        raise BadRequest(reason=_("The program is not registered for a workspace of yours."))
    if place.tenant.sso_only and client.tenant_id not in g.live.sso_tenant_ids:
        raise BadRequest(reason=_("Its workspace lets people in only through its single sign-on. Open it first."))
    grant.redirect_uri = grant.request.payload.redirect_uri
    rulebook = rulebook_of(session=g.db, tenant_id=client.tenant_id, revision=place.tenant.access_revision)
    asker = Asker(
        role=Role(place.role),
        own_roles=place.own_roles,
        person_id=g.person.id,
        at=g.at,
        zone=place.tenant.time_zone,
    )
    useful = {permission.scope for permission in permitted(asker=asker, rulebook=rulebook)}
    wanted = grant.client.get_allowed_scope(grant.request.payload.scope).split()
    scopes = [one for one in dict.fromkeys(wanted) if one in useful]
    if not scopes:
        raise BadRequest(reason=_("It asks for nothing that you may do."))
    return grant, {"client": client, "workspace": place.tenant, "scopes": scopes, "back_to": grant.redirect_uri}


def _endpoint(name: str) -> Response:
    from webapp.oauth.server import server  # noqa: PLC0415 costs a start time

    _open()
    return _kept(server().create_endpoint_response(name))


def _open() -> None:
    bind_platform(open_unit())
    g.at, g.actor = services().clock(), anonymous("token")


def _kept(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
