"""JSON API of explanations: who may do what in the workspace, and why."""

from typing import Any
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, Field

from tenants.door import api_room
from tenants.office.access.answers import answer_of
from tenants.schemas import Asked, Id, WorkspacePath
from webapp.access.door import permitted_wholly
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.web.problem import translate

bp = api_room("api_access", __name__, tag="access")


class OwnOut(BaseModel):
    """What whoever asks may do here, narrowed by their token."""

    role: str
    own_roles: list[str]
    permissions: list[str]


class QuestionQuery(Asked):
    """Whether one member may, or who may, or what a member may."""

    person_id: UUID | None = None
    permission: str | None = Field(None, max_length=80)
    account_id: Id | None = Field(None, description="Of this account; of the whole workspace when it is not given.")


class ExplanationOut(BaseModel):
    """The answer: of one member and one permission a decision with its reason, else who may, or what a member may."""

    permit: bool | None = None
    reason: str = ""
    policies: list[str] = []
    missing: list[str] = []
    person_ids: list[UUID] = Field([], description="Who may do what was asked about.")
    permissions: list[str] = Field([], description="What the member may do.")


@bp.get("/access/own", responses={200: OwnOut}, operation_id="getOwnAccess", summary="See what you may do")
@requires(Permission.ACCESS_OWN_READ)
def own(path: WorkspacePath) -> Response:
    """Tell what whoever asks may do here."""
    told = {"role": g.role.value, "own_roles": list(g.asker.own_roles), "permissions": sorted(permitted_wholly())}
    return jsonify(told)


@bp.get(
    "/access/explanation", responses={200: ExplanationOut}, operation_id="explainAccess", summary="Ask who may, and why"
)
@requires(Permission.ACCESS_ROLES_READ)
def explanation(path: WorkspacePath, query: QuestionQuery) -> Response:
    """Answer whether a member may, and why; of a member alone what they may, of a permission alone who may."""
    answer = answer_of(query.person_id, query.permission or "", query.account_id)
    decision = answer["decision"]
    told: dict[str, Any] = {
        "permit": decision.permit if decision else None,
        "reason": translate(decision.reason, decision.params) if decision else "",
        "policies": list(decision.policies) if decision else [],
        "missing": list(decision.missing) if decision else [],
        "person_ids": [str(one.person_id) for one in answer["people"]],
        "permissions": sorted(answer["may"]),
    }
    return jsonify(told)
