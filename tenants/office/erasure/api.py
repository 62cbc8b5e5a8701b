"""JSON API of the workspace's erasure."""

from typing import Any

from flask import Response, g, jsonify, url_for
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.office.erasure import queries
from tenants.schemas import Body, Instant, WorkspacePath, instant
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.backups import erasures
from webapp.backups.queries import HOLDINGS_MAX
from webapp.kernel.errors import N_, DomainError

bp = api_room("api_erasure", __name__, tag="workspace")


class NotForPrograms(DomainError):
    """A token asks for what only a person does who has just confirmed who they are."""

    code = "confirmation_needed"
    status = 403
    title = N_("You may not do this")
    message = N_("Programs cannot do this. An owner does it at %(page)s and confirms there who they are.")


class ErasureIn(Body):
    """The erasure, asked for by the name of the workspace."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Harbour Bakery"}]})

    name: str = Field(max_length=200, description="The name of the workspace, to show that this one is meant.")


_BOUND = f"{HOLDINGS_MAX + 1} says that there are more than {HOLDINGS_MAX}."


class HoldingsOut(BaseModel):
    """What the workspace holds and would lose."""

    members: int = Field(description="At most 500 are counted.")
    accounts: int = Field(description=_BOUND)
    entries: int = Field(description=_BOUND)
    statements: int = Field(description=_BOUND)
    events: int = Field(description=_BOUND)


class ErasureOut(BaseModel):
    """When the workspace is erased, what would be lost, and the newest that is kept of it."""

    erase_at: Instant | None = Field(description="Null while nobody has asked for it.")
    holdings: HoldingsOut
    exported_at: Instant | None = Field(description="When the newest export was made that can be downloaded.")
    backed_up_at: Instant | None = Field(description="When the newest backup was taken; it is erased as well.")


def _told() -> dict[str, Any]:
    found = queries.outlook(session=g.db, at=g.at)
    held = found.holdings
    return {
        "erase_at": instant(found.erase_at) if found.erase_at else None,
        "holdings": {
            "members": found.members,
            "accounts": held.accounts,
            "entries": held.entries,
            "statements": held.statements,
            "events": held.events,
        },
        "exported_at": instant(found.exported_at) if found.exported_at else None,
        "backed_up_at": instant(found.backed_up_at) if found.backed_up_at else None,
    }


@bp.get("/erasure", responses={200: ErasureOut}, operation_id="getErasure", summary="See what an erasure would take")
@requires(Permission.WORKSPACE_WORKSPACE_REMOVE)
def show(path: WorkspacePath) -> Response:
    """Tell when the workspace is erased, if it is, and what would be lost."""
    return jsonify(_told())


@bp.post(
    "/erasure",
    responses={202: ErasureOut},
    operation_id="askForErasure",
    summary="Ask for the erasure: in the browser",
)
@requires(Permission.WORKSPACE_WORKSPACE_REMOVE)
def ask(path: WorkspacePath, body: ErasureIn) -> Response:
    """Refuse every token, as `confirmation_needed` (403): an owner asks on the page, and confirms who they are.

    The refusal names the address of the page. 202 stays described, as nothing of version 1 is taken away.
    """
    raise NotForPrograms(page=url_for("office_erasure.show", slug=path.slug, _external=True))


@bp.post("/erasure/recall", responses={200: ErasureOut}, operation_id="recallErasure", summary="Call the erasure back")
@requires(Permission.WORKSPACE_WORKSPACE_REMOVE)
def call_back(path: WorkspacePath) -> Response:
    """Let the workspace be; 409 where nobody asked for its erasure."""
    erasures.call_back(session=g.db, actor=g.actor, at=g.at)
    return jsonify(_told())
