"""JSON API of the roles that need a second factor."""

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.office.second_factor import commands
from tenants.schemas import Body, WorkspacePath
from webapp.access.guard import requires
from webapp.access.permissions import Permission

bp = api_room("api_second_factor", __name__, tag="second factor")


class SecondFactorIn(Body):
    """The roles that are to need a second factor."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"roles": ["owner", "accountant"]}]})

    roles: list[str] = Field(
        max_length=20, examples=[["owner", "accountant"]], description="Every other role needs none."
    )


class SecondFactorOut(BaseModel):
    """The roles that need a second factor."""

    roles: list[str] = Field(examples=[["accountant", "owner"]])


@bp.get(
    "/second-factor",
    responses={200: SecondFactorOut},
    operation_id="getSecondFactor",
    summary="Get the roles that need a second factor",
)
@requires(Permission.MEMBERS_MEMBERS_READ)
def show(path: WorkspacePath) -> Response:
    """Show the roles whose members get in with a second factor only."""
    return jsonify({"roles": sorted(g.tenant.second_factor_roles)})


@bp.put(
    "/second-factor",
    responses={200: SecondFactorOut},
    operation_id="setSecondFactor",
    summary="Choose the roles that need a second factor",
)
@requires(Permission.MEMBERS_OWNERS_WRITE)
def choose(path: WorkspacePath, body: SecondFactorIn) -> Response:
    """Let members of these roles in only with a second factor; their tokens only while they have one set up."""
    before = g.tenant.second_factor_roles
    commands.require_for(session=g.db, actor=g.actor, at=g.at, before=before, roles=body.roles)
    return jsonify({"roles": sorted(set(body.roles))})
