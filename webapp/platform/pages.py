"""Pages of operators: workspaces, jobs of the installation, letters of the embedded run, the component gallery."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, flash, g, request, url_for
from flask_babel import gettext as _
from redis.exceptions import RedisError

from webapp import __version__
from webapp.audit.commands import record
from webapp.identity.gate import operator_only
from webapp.jobs import commands as job_commands
from webapp.jobs import queries as jobs
from webapp.jobs.commands import JobOver
from webapp.jobs.words import kind_name
from webapp.mail import queries as mails
from webapp.mail.commands import send_mail
from webapp.platform import queries
from webapp.platform.measures import protection
from webapp.tenancy import commands as tenancy
from webapp.tenancy import queries as tenants
from webapp.web.pagination import cut, read_cursor
from webapp.web.problem import translate
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("platform", __name__, url_prefix="/platform")

PAGE_ROWS = 50
STATES = ("queued", "running", "done", "parked", "cancelled")


@bp.get("")
@operator_only
def overview() -> Response:
    """Show the installation's health and its workspaces."""
    position = read_cursor("tenants", request.args.get("cursor"))
    rows = tenants.tenants(session=g.db, after_slug=position[0] if position else "", limit=PAGE_ROWS + 1)
    page, later = cut(rows, PAGE_ROWS, "tenants", lambda row: [row.slug])
    mine = {place.id for place in tenants.workspaces(session=g.db, person_id=g.person.id)}
    return render(
        "platform/overview.html",
        health=queries.health(session=g.db, at=g.at),
        workspaces=page,
        mine=mine,
        first_href=url_for("platform.overview") if position else None,
        next_href=url_for("platform.overview", cursor=later) if later else None,
    )


@bp.get("/installation")
@operator_only
def installation() -> Response:
    """Show what runs here: versions, the schemas, queues, and how old backup, drill and archive are."""
    within = queries.ALIVE_WITHIN
    return render(
        "platform/installation.html",
        version=__version__,
        others=jobs.other_versions(session=g.db, version=__version__, at=g.at, within=within),
        health=queries.health(session=g.db, at=g.at),
        schemas=queries.schemas(session=g.db),
        servers=queries.servers(session=g.db),
        queues=queries.queues(session=g.db, at=g.at),
        valkey=_valkey(),
        protection=protection(folder=services().settings.measures_dir, at=g.at),
    )


def _valkey() -> str:
    """Return the version of Valkey; nothing where it does not answer."""
    try:
        said = services().redis.info("server")
    except RedisError:
        return ""
    return str(said.get("valkey_version") or said.get("redis_version") or "")


@bp.post("/workspaces/<slug>/suspension")
@operator_only
def suspend(slug: str) -> Response:
    """Stop a workspace: nobody gets in, nothing is lost."""
    tenancy.set_suspended(session=g.db, actor=g.actor, at=g.at, slug=slug, suspended=True)
    flash(_("%(slug)s is suspended.", slug=slug), "success")
    return see_other(url_for("platform.overview"))


@bp.post("/workspaces/<slug>/resumption")
@operator_only
def resume(slug: str) -> Response:
    """Let a workspace's members in again."""
    tenancy.set_suspended(session=g.db, actor=g.actor, at=g.at, slug=slug, suspended=False)
    flash(_("%(slug)s is open again.", slug=slug), "success")
    return see_other(url_for("platform.overview"))


@bp.get("/jobs")
@operator_only
def list_jobs() -> Response:
    """List the jobs of every workspace, newest first; parked ones with their reason and a way to try again."""
    state = request.args.get("state", "")
    state = state if state in STATES else ""
    cursor = request.args.get("cursor", "")
    position = read_cursor("platform-jobs", cursor)
    before = (datetime.fromisoformat(position[0]), UUID(position[1])) if position else None
    rows = jobs.jobs(session=g.db, limit=PAGE_ROWS + 1, state=state or None, before=before)
    page, older = cut(rows, PAGE_ROWS, "platform-jobs", lambda row: [row.created_at.isoformat(), str(row.id)])
    moving = any(row.state in {"queued", "running"} and not row.is_planned(g.at) for row in page)
    return render(
        "platform/jobs.html",
        jobs=page,
        slugs=queries.slugs_of(session=g.db, jobs=list(page)),
        kind_name=lambda kind: _(kind_name(kind)),
        health=queries.health(session=g.db, at=g.at),
        at=g.at,
        state=state,
        poll_href=url_for("platform.list_jobs", state=state or None) if moving and not cursor else None,
        first_href=url_for("platform.list_jobs", state=state or None) if cursor else None,
        next_href=url_for("platform.list_jobs", state=state or None, cursor=older) if older else None,
    )


@bp.post("/jobs/<uuid:job_id>/retry")
@operator_only
def retry_job(job_id: UUID) -> Response:
    """Give a parked job three more attempts."""
    return _change_job(job_id, job_commands.retry, "job.retried", _("The job is tried again."))


@bp.post("/jobs/<uuid:job_id>/cancellation")
@operator_only
def cancel_job(job_id: UUID) -> Response:
    """Stop a job."""
    return _change_job(job_id, job_commands.cancel, "job.cancelled", _("The job will stop."))


def _change_job(job_id: UUID, act: Any, action: str, said: str) -> Response:
    try:
        act(session=g.db, job_id=job_id, tenant_id=None, at=g.at)
    except JobOver as error:
        flash(translate(error.text, error.params), "warning")
    else:
        record(session=g.db, actor=g.actor, at=g.at, action=action, object_type="job", object_id=job_id)
        flash(said, "success")
    return see_other(url_for("platform.list_jobs"))


@bp.get("/mails")
@operator_only
def list_mails() -> Response:
    """List the letters that were written to files because there is no mail server."""
    settings = services().settings
    found = [] if settings.smtp_url else mails.written_mails(data_dir=settings.data_dir)
    return render("platform/mails.html", mails=found, has_server=bool(settings.smtp_url))


@bp.post("/mails/test")
@operator_only
def send_test_mail() -> Response:
    """Send a mail to the operator, on the way that every letter goes."""
    record(
        session=g.db,
        actor=g.actor,
        at=g.at,
        action="mail.test_asked_for",
        object_type="person",
        object_id=g.person.id,
    )
    send_mail(
        session=g.db,
        actor=g.actor,
        at=g.at,
        job_id=services().new_id(),
        to=g.person.email,
        letter="test",
        language=g.person.language,
        values={},
    )
    flash(
        _("A test mail to %(email)s is on its way. If it does not arrive, its job says why.", email=g.person.email),
        "success",
    )
    return see_other(url_for("platform.list_mails"))


@bp.get("/mails/<name>")
@operator_only
def show_mail(name: str) -> Response:
    """Show one of them."""
    found = mails.written_mail(data_dir=services().settings.data_dir, name=name)
    if found is None:
        abort(404)
    return render("platform/mail.html", mail=found)


@bp.get("/components")
@operator_only
def components() -> Response:
    """Show every component in both themes and both directions."""
    return render("platform/components.html")
