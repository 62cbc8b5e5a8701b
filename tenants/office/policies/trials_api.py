"""JSON API to try a version of a policy store: one request."""

from typing import Any

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.office.policies import trials
from tenants.office.policies.rules import Party, Question
from tenants.office.policies.shapes import PLAIN, StorePath
from tenants.schemas import Body, Problem, whole
from webapp.access.guard import requires
from webapp.access.permissions import Permission

bp = api_room("api_policy_trials", __name__, tag="policy stores", answers={409: Problem})


class TrialParty(Body):
    """A subject or a resource."""

    type: str = Field(min_length=1, max_length=200, pattern=PLAIN, examples=["user"])
    id: str = Field(min_length=1, max_length=500, pattern=PLAIN, examples=["ann"])
    properties: dict[str, Any] = Field(default_factory=dict, examples=[{}])


class TrialAction(Body):
    """An action."""

    name: str = Field(min_length=1, max_length=200, pattern=PLAIN, examples=["read"])
    properties: dict[str, Any] = Field(default_factory=dict, examples=[{}])


class TrialIn(Body):
    """A request to try, written as in AuthZEN, and the version to ask: the active one when none is named."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subject": {"type": "user", "id": "ann"},
                    "action": {"name": "read"},
                    "resource": {"type": "record", "id": "r-1"},
                }
            ]
        }
    )

    subject: TrialParty
    action: TrialAction
    resource: TrialParty
    context: dict[str, Any] = Field(default_factory=dict, examples=[{}])
    version: whole(1, 2**31 - 1) | None = None


class MissingOut(BaseModel):
    """A condition that kept a policy from permitting."""

    policy: str
    condition: str


class TrialOut(BaseModel):
    """What a version answers, and why."""

    version: int
    decision: bool
    code: str
    reason: str
    policies: list[str]
    missing: list[MissingOut]
    microseconds: int


@bp.post(
    "/policy-stores/<store>/trial", responses={200: TrialOut}, operation_id="tryPolicyRequest", summary="Try a request"
)
@requires(Permission.POLICIES_STORES_WRITE)
def try_request(path: StorePath, body: TrialIn) -> Response:
    """Ask a version one request; nothing is recorded."""
    question = Question(
        Party(body.subject.type, body.subject.id, body.subject.properties),
        body.action.name,
        Party(body.resource.type, body.resource.id, body.resource.properties),
        body.action.properties,
        body.context,
    )
    tried = trials.try_request(session=g.db, slug=path.store, question=question, number=body.version)
    return jsonify(
        version=tried.version,
        decision=tried.answer.permit,
        code=tried.answer.code.value,
        reason=tried.answer.reason,
        policies=list(tried.answer.policies),
        missing=[{"policy": policy, "condition": condition} for policy, condition in tried.missing],
        microseconds=tried.answer.microseconds,
    )
