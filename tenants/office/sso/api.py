"""JSON API of a workspace's single sign-on."""

from typing import Any

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.office.sso import commands
from tenants.schemas import Body, Instant, WorkspacePath, instant
from webapp.access.guard import requires
from webapp.access.permissions import Permission

bp = api_room("api_sso", __name__, tag="single sign-on")


class SsoProviderIn(Body):
    """A provider to set up."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "oidc",
                    "name": "Our directory",
                    "issuer": "https://sso.example.org",
                    "client_id": "comptoir",
                    "client_secret": "from-the-provider",
                    "is_only_way": False,
                }
            ]
        }
    )

    kind: str = Field("oidc", max_length=40, examples=["oidc"], description="oidc, google, microsoft or github")
    name: str = Field(min_length=1, max_length=100, examples=["Our directory"])
    issuer: str = Field(min_length=1, max_length=500, examples=["https://sso.example.org"])
    client_id: str = Field(min_length=1, max_length=500)
    client_secret: str = Field("", max_length=500, description="Empty keeps the one that is there, of the same client.")
    is_only_way: bool = Field(False, description="Whether members come in through it alone.")


class SsoProviderOut(BaseModel):
    """The provider of the workspace, without its secret; null everywhere when there is none."""

    kind: str | None
    name: str | None
    issuer: str | None
    client_id: str | None
    changed_at: Instant | None
    is_only_way: bool


def _shown() -> dict[str, Any]:
    found = commands.provider(session=g.db)
    shown = {name: getattr(found, name, None) for name in ("kind", "name", "issuer", "client_id")}
    return {
        **shown,
        "changed_at": instant(found.changed_at) if found else None,
        "is_only_way": g.tenant.sso_only,
    }


@bp.get("/single-sign-on", responses={200: SsoProviderOut}, operation_id="getSingleSignOn", summary="Get the provider")
@requires(Permission.MEMBERS_MEMBERS_READ)
def get_provider(path: WorkspacePath) -> Response:
    """Show the provider through which members come in."""
    return jsonify(_shown())


@bp.put(
    "/single-sign-on", responses={200: SsoProviderOut}, operation_id="setSingleSignOn", summary="Set the provider up"
)
@requires(Permission.MEMBERS_OWNERS_WRITE)
def set_provider(path: WorkspacePath, body: SsoProviderIn) -> Response:
    """Set the provider up, in place of the one before; what another issuer vouched for is forgotten."""
    draft = commands.ProviderDraft(
        body.kind, body.name, body.issuer, body.client_id, body.client_secret, body.is_only_way
    )
    commands.set_provider(session=g.db, actor=g.actor, at=g.at, draft=draft)
    return jsonify({**_shown(), "is_only_way": draft.is_only_way})


@bp.delete("/single-sign-on", responses={204: None}, operation_id="removeSingleSignOn", summary="Remove the provider")
@requires(Permission.MEMBERS_OWNERS_WRITE)
def remove_provider(path: WorkspacePath) -> Response:
    """Take the provider away; members come in with their own passwords and passkeys again."""
    commands.remove_provider(session=g.db, actor=g.actor, at=g.at)
    return Response(status=204)
