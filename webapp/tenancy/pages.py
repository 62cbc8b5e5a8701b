"""Workspaces: mine, a new one, the way out of the demonstration, and the door that an invitation opens."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, flash, g, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _

from webapp.access.asker import Asker
from webapp.access.guard import check
from webapp.access.permissions import Permission, Role
from webapp.identity import addresses
from webapp.identity import queries as people
from webapp.identity.door import anonymous, begin_session, keep_within, recognise_session, remember
from webapp.identity.gate import confirmed, operator_only, public, signed_in
from webapp.identity.links import LinkSpent
from webapp.identity.people import add_person
from webapp.identity.rules import hash_secret
from webapp.jobs import queries as jobs
from webapp.kernel.errors import Invalid
from webapp.kernel.money import currencies
from webapp.tenancy import commands, forms, queries, registry
from webapp.tenancy.provisioning import SlugTaken
from webapp.tenancy.queries import InvitationView, TenantView
from webapp.tenancy.rules import slug_of
from webapp.web.addresses import outside
from webapp.web.fields import field_errors
from webapp.web.limits import limit_sign_in
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("tenancy", __name__)

FIELDS = ("name", "slug", "base_currency", "owner_email")


@bp.get("/")
@signed_in
def workspaces() -> Response:
    """List the person's workspaces with their role in each."""
    return render("tenancy/workspaces.html", places=queries.places(session=g.db, person_id=g.person.id))


@bp.get("/workspaces/new")
@operator_only
def new_workspace() -> Response:
    """Show the form of a new workspace."""
    values = {"name": "", "slug": "", "base_currency": "EUR", "owner_email": g.person.email}
    return render("tenancy/new_workspace.html", values=values, errors={}, currencies=_choices())


@bp.post("/workspaces")
@operator_only
def create_workspace() -> Response:
    """Queue the making of a workspace and show how it goes."""
    values = {name: request.form.get(name, "").replace("\0", "") for name in FIELDS}
    values["slug"] = values["slug"].strip() or slug_of(values["name"])
    try:
        draft = forms.read_workspace(values)
        job_id = registry.ask_to_create(
            session=g.db,
            actor=g.actor,
            at=g.at,
            job_id=services().new_id(),
            tenant_id=services().new_id(),
            asked={
                "slug": draft.slug,
                "name": draft.name,
                "base_currency": draft.base_currency,
                "owner_email": draft.owner_email,
                "language": g.person.language,
                "link_before": outside(url_for("tenancy.workspaces")) + "invitations/",
            },
        )
    except (Invalid, SlugTaken) as error:
        errors = {"slug": _(error.text, **error.params)} if isinstance(error, SlugTaken) else field_errors(error)
        return render("tenancy/new_workspace.html", status=422, values=values, errors=errors, currencies=_choices())
    return see_other(url_for("tenancy.making", slug=draft.slug, job_id=job_id))


def _choices() -> list[tuple[str, str]]:
    return [(code, code) for code in currencies()]


@bp.get("/workspaces/<slug>/making/<uuid:job_id>")
@operator_only
def making(slug: str, job_id: UUID) -> Response:
    """Show how far the making of a workspace is; the page asks again until it is over."""
    job = jobs.job(session=g.db, job_id=job_id)
    if job is None or job.kind != registry.CREATE:
        abort(404)
    tenant = queries.tenant_by_slug(session=g.db, slug=slug) if job.state == "done" else None
    inside = tenant is not None and queries.membership(session=g.db, slug=slug, person_id=g.person.id) is not None
    over = job.state not in {"queued", "running"}
    return render(
        "tenancy/making.html",
        job=job,
        slug=slug,
        tenant=tenant,
        inside=inside,
        poll_href=None if over else request.path,
    )


@bp.get("/workspaces/<slug>/removal")
@signed_in
def removal(slug: str) -> Response:
    """Ask whether the demonstration may go."""
    return render("tenancy/removal.html", workspace=_removable(slug), errors={})


@bp.post("/workspaces/<slug>/removal")
@signed_in
@confirmed
def remove_workspace(slug: str) -> Response:
    """Remove the demonstration, once its short name was typed."""
    workspace = _removable(slug)
    if request.form.get("slug", "").strip() != slug:
        errors = {"slug": _("Type %(slug)s to confirm.", slug=slug)}
        return render("tenancy/removal.html", status=422, workspace=workspace, errors=errors)
    registry.ask_to_remove(session=g.db, actor=g.actor, at=g.at, job_id=services().new_id(), tenant=workspace)
    flash(_("%(name)s is being removed.", name=workspace.name), "success")
    return see_other(url_for("tenancy.workspaces"))


def _removable(slug: str) -> TenantView:
    """Return the demonstration that the person owns; for everybody else there is none."""
    place = queries.membership(session=g.db, slug=slug, person_id=g.person.id)
    if place is None or not place.tenant.is_demo:
        abort(404)
    check(Permission.WORKSPACE_WORKSPACE_REMOVE, asker=Asker(Role(place.role), at=g.at))
    return place.tenant


@bp.get("/invitations/<secret>")
@public
def invitation(secret: str) -> Response:
    """Show what an invitation offers and what is needed to take it."""
    recognise_session()
    return _invitation_page(secret)


@bp.post("/invitations/<secret>")
@public
@limit_sign_in
def accept_invitation(secret: str) -> Response:
    """Take the offered place: as the person who is signed in, or as somebody new with a name and a password."""
    person = recognise_session()
    if person is not None:
        keep_within(None)
    offer, workspace, known = _offer(secret)
    if person is None and known is None:
        values = {"name": request.form.get("name", "").replace("\0", "").strip()}
        g.actor = anonymous()
        try:
            person_id = add_person(
                session=g.db,
                actor=g.actor,
                at=g.at,
                person_id=services().new_id(),
                email=offer.email,
                password=request.form.get("password", ""),
                language=str(get_locale() or "en"),
                **values,
            )
            addresses.note_verified(session=g.db, actor=g.actor, at=g.at, person_id=person_id)
        except Invalid as error:
            return _invitation_page(secret, status=422, values=values, errors=field_errors(error))
        remember(people.people(session=g.db, ids={person_id})[person_id], via="link")
    elif person is None or known is None or person.id != known.id:
        return _invitation_page(secret, status=422)
    slug = commands.accept_invitation(session=g.db, actor=g.actor, at=g.at, secret=secret, person_id=g.person.id)
    flash(_("Welcome to %(workspace)s.", workspace=workspace.name), "success")
    return see_other(f"/t/{slug}/") if person is not None else begin_session(g.person.id, f"/t/{slug}/")


def _offer(secret: str) -> tuple[InvitationView, TenantView, people.PersonView | None]:
    found = queries.invitation_by_secret(session=g.db, secret_hash=hash_secret(secret), at=g.at)
    if found is None:
        raise LinkSpent
    return *found, people.person_by_email(session=g.db, email=found[0].email)


def _invitation_page(secret: str, *, status: int = 200, **context: Any) -> Response:
    offer, workspace, known = _offer(secret)
    here = url_for("tenancy.invitation", secret=secret)
    shown = {
        "invitation": {"email": offer.email, "workspace": workspace.name},
        "action": here,
        "role": offer.role,
        "values": {},
        "errors": {},
    }
    person = g.get("person")
    if person is None and known is not None:
        return render(
            "tenancy/invitation_sign_in.html",
            status=status,
            sign_in_href=url_for("identity.sign_in", next=here),
            **shown,
        )
    if person is not None and (known is None or person.id != known.id):
        return render("tenancy/invitation_other.html", status=status, person=person, **shown)
    return render("identity/accept_invitation.html", status=status, known=known is not None, **(shown | context))
