"""Background work of the workspace, with its progress."""

from datetime import datetime
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.jobs import commands, queries
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.jobs.commands import JobOver
from webapp.jobs.words import kind_name
from webapp.web.pagination import cut, read_cursor
from webapp.web.problem import translate
from webapp.web.render import render, see_other

bp = Blueprint("office_jobs", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)

PAGE_ROWS = 50
STATES = ("queued", "running", "done", "parked", "cancelled")


@bp.get("/jobs")
@requires(Permission.JOBS_JOBS_READ)
def list_jobs() -> Response:
    """List jobs, newest first; the table asks for itself while one of them is not over."""
    state = request.args.get("state", "")
    state = state if state in STATES else ""
    cursor = request.args.get("cursor", "")
    position = read_cursor("jobs", cursor)
    before = (datetime.fromisoformat(position[0]), UUID(position[1])) if position else None
    rows = queries.jobs(session=g.db, limit=PAGE_ROWS + 1, state=state or None, before=before)
    page, older = cut(rows, PAGE_ROWS, "jobs", lambda row: [row.created_at.isoformat(), str(row.id)])
    moving = any(row.state in {"queued", "running"} and not row.is_planned(g.at) for row in page)
    here = url_for("office_jobs.list_jobs", state=state or None, cursor=cursor or None)
    return render(
        "office/jobs/jobs.html",
        jobs=page,
        people=queries.people(session=g.db, ids={row.created_by for row in page}),
        kind_name=lambda kind: _(kind_name(kind)),
        at=g.at,
        state=state,
        poll_href=here if moving and not cursor else None,
        first_href=url_for("office_jobs.list_jobs", state=state or None) if cursor else None,
        next_href=url_for("office_jobs.list_jobs", state=state or None, cursor=older) if older else None,
    )


@bp.post("/jobs/<uuid:job_id>/cancellation")
@requires(Permission.JOBS_JOBS_WRITE)
def cancel_job(job_id: UUID) -> Response:
    """Stop a job."""
    try:
        commands.cancel(session=g.db, actor=g.actor, at=g.at, job_id=job_id)
    except JobOver as error:
        flash(translate(error.text, error.params), "warning")
    else:
        flash(_("The job will stop."), "success")
    return see_other(url_for("office_jobs.list_jobs"))


@bp.post("/jobs/<uuid:job_id>/retry")
@requires(Permission.JOBS_JOBS_WRITE)
def retry_job(job_id: UUID) -> Response:
    """Give a parked job another try."""
    try:
        commands.retry(session=g.db, actor=g.actor, at=g.at, job_id=job_id)
    except JobOver as error:
        flash(translate(error.text, error.params), "warning")
    else:
        flash(_("The job is tried again."), "success")
    return see_other(url_for("office_jobs.list_jobs"))
