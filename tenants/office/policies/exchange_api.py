"""JSON API to take a policy store along: exported whole, made again from that."""

from typing import Any

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.office.policies import exchange
from tenants.office.policies.shapes import (
    POLICIES,
    SCHEMA,
    PolicyEntityOut,
    PolicyStoreOut,
    StorePath,
    StoreSlug,
    store_out,
)
from tenants.schemas import Body, WorkspacePath
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.web.state import services

bp = api_room("api_policy_exchange", __name__, tag="policy stores")


class PolicyStoreFile(BaseModel):
    """A store whole, as it can be made again elsewhere."""

    format: str = Field(examples=[exchange.FORMAT])
    name: str
    four_eyes: bool
    log_percent: int
    log_days: int
    note: str
    schema_text: str
    policies: str
    entities: list[PolicyEntityOut]


class PolicyImportIn(Body):
    """A store that was exported, and the short name of the one to make from it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slug": "copied-shop",
                    "file": {
                        "format": exchange.FORMAT,
                        "name": "Web shop",
                        "schema_text": SCHEMA,
                        "policies": POLICIES,
                        "entities": [{"type": "user", "id": "ann"}],
                    },
                }
            ]
        }
    )

    slug: StoreSlug
    file: dict[str, Any] = Field(examples=[{"format": exchange.FORMAT, "name": "Web shop"}])


@bp.get(
    "/policy-stores/<store>/export",
    responses={200: PolicyStoreFile},
    operation_id="exportPolicyStore",
    summary="Export a policy store",
)
@requires(Permission.POLICIES_STORES_READ)
def export_store(path: StorePath) -> Response:
    """Return a store whole: settings, the active version, entities. The trail tells who took it."""
    return jsonify(exchange.export_store(session=g.db, actor=g.actor, at=g.at, slug=path.store))


@bp.post(
    "/policy-store-imports",
    responses={201: PolicyStoreOut},
    operation_id="importPolicyStore",
    summary="Import a policy store",
)
@requires(Permission.POLICIES_STORES_WRITE)
def import_store(path: WorkspacePath, body: PolicyImportIn) -> Response:
    """Make a store from an exported one; its version is the draft, to be looked at and activated."""
    store = exchange.import_store(
        session=g.db, actor=g.actor, at=g.at, slug=body.slug, file=body.file, job_id=services().new_id()
    )
    response = jsonify(store_out(store))
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/t/{g.slug}/policy-stores/{store.slug}"
    return response
