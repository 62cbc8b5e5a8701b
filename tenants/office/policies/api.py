"""JSON API of policy stores and their entities."""

from flask import Response, g, jsonify
from pydantic import Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.office.policies import commands, entities, queries
from tenants.office.policies.rules import WORKSPACE
from tenants.office.policies.shapes import (
    PLAIN,
    PolicyEntitiesChanged,
    PolicyEntitiesIn,
    PolicyEntityOut,
    PolicyStoreIn,
    PolicyStoreOut,
    PolicyStoreSettingsIn,
    StorePath,
    entity_in,
    entity_out,
    store_out,
)
from tenants.schemas import ListQuery, WorkspacePath
from webapp.access.door import ask
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.web.pagination import answer_page, cut, read_cursor
from webapp.web.state import services

bp = api_room("api_policy_stores", __name__, tag="policy stores")

PolicyStoreList = page_of(PolicyStoreOut, "A page of policy stores.")
PolicyEntityList = page_of(PolicyEntityOut, "A page of entities.")


class StoreQuery(ListQuery):
    """A page of stores."""

    fields: fields_of(PolicyStoreOut) = None


class EntityQuery(ListQuery):
    """A page of entities, of one type if named."""

    type: str = Field("", max_length=200, pattern=PLAIN)
    fields: fields_of(PolicyEntityOut) = None


@bp.get(
    "/policy-stores", responses={200: PolicyStoreList}, operation_id="listPolicyStores", summary="List policy stores"
)
@requires(Permission.POLICIES_STORES_READ)
def list_stores(path: WorkspacePath, query: StoreQuery) -> Response:
    """List stores by their short name; `workspace` is the one that decides over the workspace itself."""
    position = read_cursor("policy-stores", query.cursor)
    rows = [row for row in queries.stores(session=g.db) if position is None or [row.slug] > position]
    page, cursor = cut(rows, query.limit, "policy-stores", lambda row: [row.slug])
    return answer_page([store_out(row) for row in page], cursor)


@bp.post(
    "/policy-stores", responses={201: PolicyStoreOut}, operation_id="createPolicyStore", summary="Make a policy store"
)
@requires(Permission.POLICIES_STORES_WRITE)
def create_store(path: WorkspacePath, body: PolicyStoreIn) -> Response:
    """Make an empty store; it denies everything until a version is active."""
    store = commands.create_store(
        session=g.db,
        actor=g.actor,
        at=g.at,
        slug=body.slug,
        settings=_settings(body),
        job_id=services().new_id(),
    )
    response = jsonify(store_out(store))
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/t/{g.slug}/policy-stores/{store.slug}"
    return response


@bp.get(
    "/policy-stores/<store>",
    responses={200: PolicyStoreOut},
    operation_id="getPolicyStore",
    summary="Get a policy store",
)
@requires(Permission.POLICIES_STORES_READ)
def get_store(path: StorePath) -> Response:
    """One store."""
    return jsonify(store_out(commands.found_store(session=g.db, slug=path.store)))


@bp.put(
    "/policy-stores/<store>",
    responses={200: PolicyStoreOut},
    operation_id="changePolicyStore",
    summary="Change a policy store",
)
@requires(Permission.POLICIES_STORES_WRITE)
def change_store(path: StorePath, body: PolicyStoreSettingsIn) -> Response:
    """Change name and settings of a store; the store `workspace` keeps its name, and only owners change it."""
    if path.store == WORKSPACE:
        ask(Permission.POLICIES_OWN_ACTIVATE)
    store = commands.change_store(session=g.db, actor=g.actor, at=g.at, slug=path.store, settings=_settings(body))
    return jsonify(store_out(store))


@bp.delete(
    "/policy-stores/<store>",
    responses={204: None},
    operation_id="removePolicyStore",
    summary="Remove a policy store",
)
@requires(Permission.POLICIES_STORES_ACTIVATE)
def remove_store(path: StorePath) -> Response:
    """Remove a store with its versions, entities and recorded decisions; what asks it is answered 404."""
    commands.remove_store(session=g.db, actor=g.actor, at=g.at, slug=path.store)
    return Response(status=204)


@bp.get(
    "/policy-stores/<store>/entities",
    responses={200: PolicyEntityList},
    operation_id="listPolicyEntities",
    summary="List a store's entities",
)
@requires(Permission.POLICIES_STORES_READ)
def list_entities(path: StorePath, query: EntityQuery) -> Response:
    """Entities by type and id."""
    store = commands.found_store(session=g.db, slug=path.store)
    position = read_cursor("policy-entities", query.cursor)
    rows = queries.entity_page(
        session=g.db,
        store_id=store.id,
        kind=query.type,
        after=(position[0], position[1]) if position else None,
        limit=query.limit + 1,
    )
    page, cursor = cut(rows, query.limit, "policy-entities", lambda row: list(row.name))
    return answer_page([entity_out(row) for row in page], cursor)


@bp.post(
    "/policy-stores/<store>/entities",
    responses={200: PolicyEntitiesChanged},
    operation_id="changePolicyEntities",
    summary="Put and remove entities of a store",
)
@requires(Permission.POLICIES_STORES_WRITE)
def change_entities(path: StorePath, body: PolicyEntitiesIn) -> Response:
    """Put entities, replacing those of the same name, and remove others: all or nothing, decided by at once."""
    count = entities.change_entities(
        session=g.db,
        actor=g.actor,
        at=g.at,
        slug=path.store,
        put=[entity_in(one) for one in body.put],
        remove=[(one.type, one.id) for one in body.remove],
        replace=body.replace,
    )
    return jsonify(entities=count)


def _settings(body: PolicyStoreSettingsIn) -> commands.StoreSettings:
    return commands.StoreSettings(body.name, body.four_eyes, body.log_percent, body.log_days)
