"""JSON API of the versions of a policy store: draft, activate, roll back."""

from flask import Response, g, jsonify
from pydantic import ConfigDict, Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.office.policies import commands, queries, versions
from tenants.office.policies.rules import WORKSPACE
from tenants.office.policies.shapes import (
    PolicyDraftIn,
    PolicyVersionOut,
    PolicyVersionPath,
    PolicyVersionWhole,
    StorePath,
    version_out,
)
from tenants.schemas import Body, ListQuery, Problem, whole
from webapp.access.door import ask
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import NotFound
from webapp.web.contract import promises
from webapp.web.pagination import answer_page, cut, read_cursor

bp = api_room("api_policy_versions", __name__, tag="policy stores", answers={412: Problem})

PolicyVersionList = page_of(PolicyVersionOut, "A page of versions.")


class PolicyVersionQuery(ListQuery):
    """A page of versions."""

    fields: fields_of(PolicyVersionOut) = None


class PolicyActivationIn(Body):
    """Which state of the draft was looked at."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"changes": 1}]})

    changes: whole(1, 2**31 - 1) | None = Field(
        None, description="The draft's `changes` that was read; 412 when somebody wrote since."
    )


@bp.get(
    "/policy-stores/<store>/versions",
    responses={200: PolicyVersionList},
    operation_id="listPolicyVersions",
    summary="List a store's versions",
)
@requires(Permission.POLICIES_STORES_READ)
def list_versions(path: StorePath, query: PolicyVersionQuery) -> Response:
    """Versions, newest first, without their texts."""
    store = commands.found_store(session=g.db, slug=path.store)
    position = read_cursor("policy-versions", query.cursor)
    before = position[0] if position else None
    rows = queries.versions(session=g.db, store_id=store.id, before=before, limit=query.limit + 1)
    page, cursor = cut(rows, query.limit, "policy-versions", lambda row: [row.number])
    return answer_page([version_out(row) for row in page], cursor)


@bp.get(
    "/policy-stores/<store>/versions/<int:number>",
    responses={200: PolicyVersionWhole},
    operation_id="getPolicyVersion",
    summary="Get a version of a store",
)
@requires(Permission.POLICIES_STORES_READ)
def get_version(path: PolicyVersionPath) -> Response:
    """One version with its schema and policies. The trail tells who read it."""
    store = commands.found_store(session=g.db, slug=path.store)
    found = queries.version(session=g.db, store_id=store.id, number=path.number)
    if found is None:
        raise NotFound
    commands.note_reading(session=g.db, actor=g.actor, at=g.at, store=store, version=path.number)
    return jsonify(version_out(found, whole=True))


@bp.put(
    "/policy-stores/<store>/draft",
    responses={200: PolicyVersionWhole},
    operation_id="savePolicyDraft",
    summary="Write a store's draft",
)
@requires(Permission.POLICIES_STORES_WRITE)
def save_draft(path: StorePath, body: PolicyDraftIn) -> Response:
    """Write the draft, making it when there is none; what does not compile is refused at its line."""
    draft = versions.save_draft(
        session=g.db,
        actor=g.actor,
        at=g.at,
        slug=path.store,
        schema=body.schema_text,
        policies=body.policies,
        note=body.note,
        changes=body.changes,
    )
    return jsonify(version_out(draft, whole=True))


@bp.delete(
    "/policy-stores/<store>/draft",
    responses={204: None},
    operation_id="dropPolicyDraft",
    summary="Throw a store's draft away",
)
@requires(Permission.POLICIES_STORES_WRITE)
def drop_draft(path: StorePath) -> Response:
    """Throw the draft away; what is active goes on deciding."""
    versions.drop_draft(session=g.db, actor=g.actor, at=g.at, slug=path.store)
    return Response(status=204)


@bp.post(
    "/policy-stores/<store>/versions/<int:number>/activation",
    responses={200: PolicyVersionOut},
    operation_id="activatePolicyVersion",
    summary="Activate a version of a store",
)
@promises(body_optional=True)
@requires(Permission.POLICIES_STORES_ACTIVATE)
def activate(path: PolicyVersionPath, body: PolicyActivationIn) -> Response:
    """Let a draft, or a version that was active before, decide from now on in every process.

    What decides over the workspace itself (the store `workspace`) only owners activate: policies:own:activate.
    """
    if path.store == WORKSPACE:
        ask(Permission.POLICIES_OWN_ACTIVATE)
    found = versions.activate(
        session=g.db, actor=g.actor, at=g.at, slug=path.store, number=path.number, changes=body.changes
    )
    return jsonify(version_out(found))


@bp.post(
    "/policy-stores/<store>/rollback",
    responses={200: PolicyVersionOut},
    operation_id="rollBackPolicyStore",
    summary="Roll a store back",
)
@requires(Permission.POLICIES_STORES_ACTIVATE)
def roll_back(path: StorePath) -> Response:
    """Activate the version that was active before the present one."""
    if path.store == WORKSPACE:
        ask(Permission.POLICIES_OWN_ACTIVATE)
    return jsonify(version_out(versions.roll_back(session=g.db, actor=g.actor, at=g.at, slug=path.store)))
