"""JSON API of background work."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.office.jobs import commands, queries
from tenants.schemas import Instant, ListQuery, WorkspacePath, instant
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.jobs.queries import JobView
from webapp.kernel.errors import NotFound
from webapp.web.pagination import answer_page, cut, read_cursor

bp = api_room("api_jobs", __name__, tag="jobs")

State = Literal["queued", "running", "done", "parked", "cancelled"]


class JobOut(BaseModel):
    """One piece of background work; `done` and `total` count what the job counts."""

    id: UUID
    kind: str
    state: State
    attempts: int
    done: int
    total: int | None
    seconds_left: int | None
    error: str | None
    created_by: UUID
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    cancel_requested_at: Instant | None


JobList = page_of(JobOut, "A page of jobs.")


class JobQuery(ListQuery):
    """A page of jobs."""

    state: State | None = Field(None, description="Only jobs in this state.")
    fields: fields_of(JobOut) = None


class JobPath(WorkspacePath):
    """One job of a workspace."""

    job_id: UUID


def job_out(job: JobView) -> dict[str, Any]:
    """Write a job for JSON."""
    return {
        "id": str(job.id),
        "kind": job.kind,
        "state": job.state,
        "attempts": job.attempts,
        "done": job.progress_done,
        "total": job.progress_total,
        "seconds_left": job.seconds_left(g.at),
        "error": job.error,
        "created_by": str(job.created_by),
        "created_at": instant(job.created_at),
        **{
            name: instant(value) if (value := getattr(job, name)) else None
            for name in ("started_at", "finished_at", "cancel_requested_at")
        },
    }


@bp.get("/jobs", responses={200: JobList}, operation_id="listJobs", summary="List jobs")
@requires(Permission.JOBS_JOBS_READ)
def list_jobs(path: WorkspacePath, query: JobQuery) -> Response:
    """Jobs, newest first."""
    position = read_cursor("jobs", query.cursor)
    before = (datetime.fromisoformat(position[0]), UUID(position[1])) if position else None
    rows = queries.jobs(session=g.db, limit=query.limit + 1, state=query.state, before=before)
    page, cursor = cut(rows, query.limit, "jobs", lambda row: [row.created_at.isoformat(), str(row.id)])
    return answer_page([job_out(row) for row in page], cursor)


@bp.get("/jobs/<uuid:job_id>", responses={200: JobOut}, operation_id="getJob", summary="Get a job")
@requires(Permission.JOBS_JOBS_READ)
def get_job(path: JobPath) -> Response:
    """One job with its progress."""
    job = queries.job(session=g.db, job_id=path.job_id)
    if job is None:
        raise NotFound
    return jsonify(job_out(job))


@bp.post("/jobs/<uuid:job_id>/cancellation", responses={200: JobOut}, operation_id="cancelJob", summary="Cancel a job")
@requires(Permission.JOBS_JOBS_WRITE)
def cancel_job(path: JobPath) -> Response:
    """Stop a job: at once if it waits, at its next beat if it runs; 409 when it is over."""
    commands.cancel(session=g.db, actor=g.actor, at=g.at, job_id=path.job_id)
    return get_job(path)


@bp.post("/jobs/<uuid:job_id>/retry", responses={200: JobOut}, operation_id="retryJob", summary="Retry a job")
@requires(Permission.JOBS_JOBS_WRITE)
def retry_job(path: JobPath) -> Response:
    """Give a parked job three more attempts; 409 when it is not parked."""
    commands.retry(session=g.db, actor=g.actor, at=g.at, job_id=path.job_id)
    return get_job(path)
