"""JSON API of the decision log of a policy store."""

from uuid import UUID

from flask import Response, g
from pydantic import Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.office.policies import commands, queries
from tenants.office.policies.shapes import PLAIN, PolicyDecisionOut, StorePath, decision_out
from tenants.schemas import ListQuery
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.web.pagination import answer_page, cut, read_cursor

bp = api_room("api_policy_decisions", __name__, tag="policy stores")

PolicyDecisionList = page_of(PolicyDecisionOut, "A page of recorded decisions.")


class PolicyDecisionQuery(ListQuery):
    """A page of decisions; every filter is exact."""

    subject_id: str = Field("", max_length=500, pattern=PLAIN)
    resource_id: str = Field("", max_length=500, pattern=PLAIN)
    action: str = Field("", max_length=200, pattern=PLAIN)
    decision: bool | None = None
    decision_id: UUID | None = None
    fields: fields_of(PolicyDecisionOut) = None


@bp.get(
    "/policy-stores/<store>/decisions",
    responses={200: PolicyDecisionList},
    operation_id="listPolicyDecisions",
    summary="List a store's recorded decisions",
)
@requires(Permission.POLICIES_DECISIONS_READ)
def list_decisions(path: StorePath, query: PolicyDecisionQuery) -> Response:
    """List recorded decisions, newest first."""
    store = commands.found_store(session=g.db, slug=path.store)
    position = read_cursor("policy-decisions", query.cursor)
    rows = queries.decisions(
        session=g.db,
        store_id=store.id,
        wanted=queries.DecisionFilter(
            query.subject_id, query.resource_id, query.action, query.decision, query.decision_id
        ),
        before=position[0] if position else None,
        limit=query.limit + 1,
    )
    page, cursor = cut(rows, query.limit, "policy-decisions", lambda row: [row.id])
    return answer_page([decision_out(row) for row in page], cursor)
