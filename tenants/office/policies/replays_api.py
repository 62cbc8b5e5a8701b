"""JSON API to ask the recorded decisions of a policy store again of one of its versions."""

from typing import Any, Literal
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.office.policies import commands, replays
from tenants.office.policies.replays import Replay
from tenants.office.policies.shapes import PolicyDecisionOut, PolicyVersionPath, StorePath, decision_out
from tenants.schemas import Body, Instant, Problem, instant, whole
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import NotFound
from webapp.web.state import services

bp = api_room("api_policy_replays", __name__, tag="policy stores", answers={409: Problem})

State = Literal["done", "queued", "running", "parked", "cancelled"]


class ReplayIn(Body):
    """The version to ask; the draft when none is named."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 2}]})

    version: whole(1, 2**31 - 1) | None = None


class ReplayedOut(BaseModel):
    """A recorded decision that would change."""

    recorded: PolicyDecisionOut
    decision: bool
    reason: str
    policies: list[str]
    because: str = Field(description="policies, or entities when the active version decides otherwise by now too")


class ReplayOut(BaseModel):
    """How recorded decisions would turn out; `changed` holds the newest 200 that change and are still kept.

    Until it is done, `asked` and the counts are null, and the job tells how far it is.
    """

    version: int
    state: State
    job_id: UUID | None
    requested_at: Instant
    finished_at: Instant | None
    asked: int | None
    newly_permitted: int | None
    newly_denied: int | None
    changed: list[ReplayedOut]


@bp.post(
    "/policy-stores/<store>/replay",
    responses={200: ReplayOut, 202: ReplayOut},
    operation_id="replayPolicyDecisions",
    summary="Replay recorded decisions",
)
@requires(Permission.POLICIES_STORES_WRITE)
def replay(path: StorePath, body: ReplayIn) -> Response:
    """Ask a version the last 10,000 recorded decisions again, with today's entities; no decision is recorded.

    Up to 500 are asked at once (200). More are a job (202, with its address in `Location`); what it found is kept with
    the version, at `/policy-stores/<store>/versions/<number>/replay`. A replay that is under way goes on.
    """
    made = replays.begin(
        session=g.db, actor=g.actor, at=g.at, slug=path.store, number=body.version, job_id=services().new_id()
    )
    response = jsonify(replay_out(made))
    if made.is_working and made.job is not None:
        response.status_code = 202
        response.headers["Location"] = f"/api/v1/t/{g.slug}/jobs/{made.job.id}"
    return response


@bp.get(
    "/policy-stores/<store>/versions/<int:number>/replay",
    responses={200: ReplayOut},
    operation_id="getPolicyReplay",
    summary="Get a version's newest replay",
)
@requires(Permission.POLICIES_STORES_WRITE)
def get_replay(path: PolicyVersionPath) -> Response:
    """Return what the newest replay found, or how far it is; 409 when the store's entities do not fit it."""
    store = commands.found_store(session=g.db, slug=path.store)
    found = replays.replay_of(session=g.db, store=store, number=path.number)
    if found is None:
        raise NotFound
    if found.refused is not None:
        raise found.refused
    return jsonify(replay_out(found))


def replay_out(one: Replay) -> dict[str, Any]:
    """Write a replay for JSON."""
    found = one.found
    return {
        "version": one.version,
        "state": one.state,
        "job_id": str(one.job.id) if one.job else None,
        "requested_at": instant(one.asked_at),
        "finished_at": instant(one.made_at) if one.made_at else None,
        "asked": found.asked if found else None,
        "newly_permitted": found.newly_permitted if found else None,
        "newly_denied": found.newly_denied if found else None,
        "changed": [
            {
                "recorded": decision_out(change.decision),
                "decision": change.answer.permit,
                "reason": change.answer.reason,
                "policies": list(change.answer.policies),
                "because": change.because,
            }
            for change in (found.changed if found else ())
        ],
    }
