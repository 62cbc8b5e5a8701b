"""JSON API of the origins that may call it from a browser."""

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.office.origins import commands
from tenants.office.origins.rules import ORIGIN_LENGTH_MAX, ORIGINS_MAX
from tenants.schemas import Body, WorkspacePath
from webapp.access.guard import requires
from webapp.access.permissions import Permission

bp = api_room("api_origins", __name__, tag="tokens")


class OriginsIn(Body):
    """All origins that are let in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"origins": ["https://intranet.example.org"]}]})

    origins: list[str] = Field(max_length=ORIGINS_MAX, description=f"Each of at most {ORIGIN_LENGTH_MAX} characters.")


class OriginsOut(BaseModel):
    """All origins that are let in."""

    origins: list[str]


@bp.get("/origins", responses={200: OriginsOut}, operation_id="getOrigins", summary="Get the origins that are let in")
@requires(Permission.TOKENS_TOKENS_READ)
def get_origins(path: WorkspacePath) -> Response:
    """Pages of these origins may call this API from a browser; no other page may."""
    return jsonify(origins=commands.allowed(session=g.db))


@bp.put("/origins", responses={200: OriginsOut}, operation_id="setOrigins", summary="Let origins in, and no others")
@requires(Permission.TOKENS_TOKENS_ADMINISTER)
def set_origins(path: WorkspacePath, body: OriginsIn) -> Response:
    """Replace the origins; they call with a token of their own, cookies are never let through."""
    return jsonify(origins=commands.set_origins(session=g.db, actor=g.actor, at=g.at, origins=body.origins))
