"""The door of every workspace: member or 404, a permission or it refuses to start, then one bound transaction."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog
from flask import Blueprint, Response, abort, current_app, g, request, url_for
from flask_openapi3 import APIBlueprint, Tag

from tenants.schemas import PROBLEMS
from webapp.access.asker import Asker
from webapp.access.door import ask, may_some, permitted_wholly, person_may
from webapp.access.guard import permitted
from webapp.access.permissions import Permission, Role
from webapp.access.queries import rulebook_of
from webapp.audit.commands import record
from webapp.identity import sessions
from webapp.identity.confirmation import NotConfirmed, need_confirmation
from webapp.identity.door import keep_within, recognise_session, recognise_token
from webapp.identity.factors import has_second_factor
from webapp.identity.gate import ask_to_sign_in
from webapp.identity.queries import Bearer
from webapp.jobs import queries as job_queries
from webapp.kernel.db import bind_tenant, on_platform
from webapp.kernel.errors import N_, DomainError
from webapp.tenancy import queries
from webapp.tenancy.queries import Place, TenantView
from webapp.web.limits import count_move
from webapp.web.problem import is_api
from webapp.web.render import frame, see_other
from webapp.web.unit import FAILED

View = TypeVar("View", bound=Callable[..., Any])
PAGES_PREFIX = "/t/<slug>"
API_PREFIX = "/api/v1/t/<slug>"
HOME = "money_dashboard.show"
"""Where a workspace begins; who may not see it begins at the first room that they may enter."""


class Suspended(DomainError):
    """The workspace was suspended by the operator."""

    code = "workspace_suspended"
    status = 403
    title = N_("This workspace is suspended")
    message = N_("The operator has suspended this workspace. Nothing is lost; ask them to resume it.")


class SsoNeeded(DomainError):
    """The workspace lets members in only through its single sign-on."""

    code = "sso_needed"
    status = 403
    title = N_("Sign in through your organisation")
    message = N_(
        "This workspace lets people in only through its single sign-on. Open it anew, then repeat what you did."
    )


class SecondFactorNeeded(DomainError):
    """The workspace lets members of this role in only with a second factor, and the person has none."""

    code = "second_factor_needed"
    status = 403
    title = N_("A second factor is needed here")
    message = N_(
        "This workspace lets your role in only with a second factor. Set up a passkey or an app with codes on the "
        "page Security of your profile, then go on."
    )


def guard_room(blueprint: Blueprint) -> None:
    """Put the door before every view of a room's blueprint."""
    blueprint.url_value_preprocessor(_take_slug)
    blueprint.url_defaults(_give_slug)
    blueprint.before_request(_enter)
    blueprint.after_request(_insist_on_weighing)


def _insist_on_weighing(response: Response) -> Response:
    """Fail, so that nothing is committed, where a view was let in for single accounts and never asked about them."""
    if g.get("unweighed") and response.status_code < FAILED:
        raise AssertionError(f"{request.endpoint} never asked whether these accounts and amounts are permitted")
    return response


def binds_itself(view: View) -> View:
    """Mark a call that mostly needs nothing of the workspace's rows: it binds its transaction when it does."""
    view.binds_itself = True  # type: ignore[attr-defined]
    return view


def api_room(name: str, module: str, *, tag: str, answers: Mapping[int, Any] | None = None) -> APIBlueprint:
    """Make the blueprint of a room's JSON API, behind the door; `answers` are refusals that only its routes give."""
    blueprint = APIBlueprint(
        name,
        module,
        url_prefix=API_PREFIX,
        abp_tags=[Tag(name=tag)],
        abp_responses=PROBLEMS | dict(answers or {}),
        abp_security=[{"token": []}],
    )
    guard_room(blueprint)
    return blueprint


def _take_slug(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    if values is not None:
        # The JSON API describes the slug as a parameter of its own; pages leave it to the door.
        g.slug = values.get("slug", "") if is_api() else values.pop("slug", "")


def _give_slug(endpoint: str, values: dict[str, Any]) -> None:
    if "slug" in g and current_app.url_map.is_endpoint_expecting(endpoint, "slug"):
        values.setdefault("slug", g.slug)


def _enter() -> Response | None:
    view = current_app.view_functions[request.endpoint or ""]
    bearer = recognise_token() if is_api() else None
    if (bearer if is_api() else recognise_session()) is None:
        return ask_to_sign_in()
    place = _place_of(bearer)
    if place is None:
        abort(404)
    if bearer is None:
        keep_within(place.tenant.id)
    _introduce(place, scopes=bearer.scopes if bearer else None)
    structlog.contextvars.bind_contextvars(tenant=str(g.tenant.id))
    if bearer is None:
        _furnish(g.tenant)
    if g.tenant.suspended_at is not None:
        raise Suspended
    is_around_sso = bearer is None and g.tenant.sso_only and g.tenant.id not in g.live.sso_tenant_ids
    # An owner keeps a way in, for the day on which the provider is down; the trail names each use.
    is_led = is_around_sso and not person_may(Permission.MEMBERS_OWNERS_WRITE)
    led = _lead_to_provider() if is_led else _second_factor_first(bearer)
    if led is not None:
        return led
    if request.endpoint == HOME and bearer is None and view.permission not in permitted_wholly():
        here = url_for(HOME)
        ways = [address for _wing, rooms in frame().nav for _label, address, *_more in rooms if address != here]
        if ways:
            return see_other(ways[0])
    _admit(view)
    if is_around_sso:
        _note_bypass()
    return None


def _introduce(place: Place, *, scopes: frozenset[str] | None) -> None:
    """Tell the guard who asks, and by which policies."""
    g.tenant, g.role, g.scopes = place.tenant, Role(place.role), scopes
    g.rulebook = rulebook_of(session=g.db, tenant_id=g.tenant.id, revision=g.tenant.access_revision)
    g.asker = Asker(
        role=g.role,
        own_roles=place.own_roles,
        person_id=g.person.id,
        scopes=scopes,
        second_factor=bool(g.get("second_factor")),
        network=request.remote_addr or "",
        at=g.at,
        zone=g.tenant.time_zone,
    )


def _second_factor_first(bearer: Bearer | None) -> Response | None:
    """Keep out who must show a second factor and has not: to set one up, or to show the one that they have.

    A personal token works while its person has one; machines, and who comes through the workspace's own provider, are
    not asked. Raises SecondFactorNeeded, NotConfirmed.
    """
    if g.role.value not in g.tenant.second_factor_roles or (bearer and bearer.machine_role is not None):
        return None
    if bearer is None and (g.second_factor or g.live.only_tenant_id == g.tenant.id):
        return None
    has_one = has_second_factor(session=g.db, person_id=g.person.id)
    if has_one and bearer is None:
        raise NotConfirmed(second_factor=True)
    if has_one:
        return None
    if bearer is None and request.method == "GET" and "HX-Request" not in request.headers:
        return see_other(url_for("security.overview", needed=g.slug))
    raise SecondFactorNeeded


def _admit(view: Any) -> None:
    """Ask the guard, and for a confirmation where the view wants one; what goes on from here is the workspace's."""
    ask(view.permission, per_account=getattr(view, "per_account", False))
    if getattr(view, "confirm", False):
        need_confirmation()
    count_move(g.person.id)
    if not getattr(view, "binds_itself", False):
        bind_tenant(g.db, g.tenant.ref)


def _note_bypass() -> None:
    """Write into the trail, once for a session, that somebody came in around the single sign-on."""
    with on_platform(g.db):
        sessions.mark_single_sign_on(session=g.db, session_id=g.session_id, tenant_id=g.tenant.id, is_alone=False)
    record(
        session=g.db,
        actor=g.actor,
        at=g.at,
        action="sso.bypassed",
        object_type="session",
        object_id=g.session_id,
    )


def _lead_to_provider() -> Response:
    """Send a member who did not come through the workspace's single sign-on there, and back here afterwards."""
    if request.method not in {"GET", "HEAD"}:
        raise SsoNeeded
    target = url_for("sso.start_of_workspace", workspace=g.slug, next=request.full_path.rstrip("?"))
    if request.headers.get("HX-Request") == "true":
        response = Response(status=401)
        response.headers["HX-Redirect"] = target
        return response
    return see_other(target)


def _place_of(bearer: Bearer | None) -> Place | None:
    """Return the workspace of a member and the role there; of a token only the one that it was made for."""
    if bearer is None:
        return queries.membership(session=g.db, slug=g.slug, person_id=g.person.id)
    if bearer.place is not None:
        # Without a role there: a token of somebody who is no member any more.
        here = queries.place_of(bearer.place) if bearer.place[0] is not None else None
        return here if here is not None and here.tenant.slug == g.slug else None
    if bearer.machine_role is None:
        place = queries.membership(session=g.db, slug=g.slug, person_id=bearer.person.id)
    else:
        tenant = queries.tenant_by_slug(session=g.db, slug=g.slug)
        place = Place(tenant, bearer.machine_role, ()) if tenant else None
    return place if place is not None and place.tenant.id == bearer.tenant_id else None


def _furnish(tenant: TenantView) -> None:
    """Fill the frame of a full page: workspaces to switch to, ways onward, running jobs."""
    around = frame()
    around.tenant = tenant
    around.may_do = partial(permitted, asker=g.asker, rulebook=g.rulebook)
    around.may_some = lambda permission: may_some(Permission(permission))
    if request.headers.get("HX-Request-Type") == "partial":
        return
    is_alone = g.live.only_tenant_id is not None
    around.tenants = [tenant] if is_alone else queries.workspaces(session=g.db, person_id=g.person.id)
    around.jobs_running = job_queries.active_count(session=g.db, tenant_id=tenant.id)
    around.jobs_href = url_for("office_jobs.list_jobs", slug=tenant.slug)
    around.nav = current_app.extensions["navigation"](around, tenant.slug)
