"""JSON API of registered programs (OAuth clients)."""

import secrets
from typing import Any

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.office.tokens import applications
from tenants.office.tokens.forms import bounds
from tenants.schemas import Body, Instant, ListQuery, WorkspacePath, instant
from webapp.access.door import scopes_of_use
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import NotFound
from webapp.oauth.queries import ClientView
from webapp.web.pagination import answer_page, cut, read_cursor
from webapp.web.state import services

bp = api_room("api_applications", __name__, tag="applications")


class ApplicationIn(Body):
    """A program to register."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Reports",
                    "redirect_uris": ["https://reports.example.org/callback"],
                    "scopes": ["ledger:read"],
                    "is_public": False,
                    "alg": "RS256",
                }
            ]
        }
    )

    name: str = Field(examples=["Reports"], min_length=1, max_length=100)
    redirect_uris: list[str] = Field(
        min_length=1, max_length=10, examples=[["https://reports.example.org/callback"]], description="Compared whole."
    )
    scopes: list[str] = Field(min_length=1, max_length=100, examples=[["ledger:read"]])
    is_public: bool = Field(False, description="A program that cannot keep a secret: in a browser, on a phone.")
    alg: str = Field("RS256", max_length=10, description="How its access tokens are signed: RS256 or EdDSA.")


class ApplicationOut(BaseModel):
    """A registered program, without its secret."""

    client_id: str
    name: str
    redirect_uris: list[str]
    scopes: list[str]
    is_public: bool
    alg: str
    state: str = Field(examples=["active"], description="active or disabled")
    created_at: Instant
    disabled_at: Instant | None


class ApplicationMade(ApplicationOut):
    """A program with its secret: the only time that it is shown."""

    client_secret: str | None


ApplicationList = page_of(ApplicationOut, "A page of registered programs.")


class ApplicationQuery(ListQuery):
    """A page of registered programs."""

    fields: fields_of(ApplicationOut) = None


class ApplicationPath(WorkspacePath):
    """One registered program."""

    client_id: str = Field(pattern="^app_[0-9a-f]{24}$")


def application_out(client: ClientView) -> dict[str, Any]:
    """Write a registered program for JSON."""
    plain = ("name", "redirect_uris", "scopes", "is_public", "alg")
    return {
        "client_id": client.id,
        **{name: getattr(client, name) for name in plain},
        "state": "active" if client.disabled_at is None else "disabled",
        "created_at": instant(client.created_at),
        "disabled_at": instant(client.disabled_at) if client.disabled_at else None,
    }


@bp.get(
    "/applications",
    responses={200: ApplicationList},
    operation_id="listApplications",
    summary="List registered programs",
)
@requires(Permission.TOKENS_TOKENS_READ)
def list_applications(path: WorkspacePath, query: ApplicationQuery) -> Response:
    """Programs that people may let act for them, newest first, disabled ones too."""
    position = read_cursor("applications", query.cursor)
    rows = sorted(applications.applications(session=g.db), key=_place, reverse=True)
    rows = [row for row in rows if position is None or _place(row) < position]
    page, cursor = cut(rows, query.limit, "applications", _place)
    return answer_page([application_out(row) for row in page], cursor)


def _place(row: ClientView) -> list[str]:
    return [instant(row.created_at), row.id]


@bp.post(
    "/applications",
    responses={201: ApplicationMade},
    operation_id="registerApplication",
    summary="Register a program",
)
@requires(Permission.TOKENS_TOKENS_ADMINISTER)
def register_application(path: WorkspacePath, body: ApplicationIn) -> Response:
    """Register a program that asks people for a token (authorization code with PKCE)."""
    client_id, secret = f"app_{secrets.token_hex(12)}", services().new_secret()
    draft = applications.ApplicationDraft(
        body.name, tuple(body.redirect_uris), frozenset(body.scopes), body.is_public, body.alg
    )
    applications.register_application(
        session=g.db,
        actor=g.actor,
        at=g.at,
        client_id=client_id,
        secret=secret,
        useful=scopes_of_use(),
        within=bounds(),
        draft=draft,
    )
    made = {**application_out(_application(client_id)), "client_secret": None if body.is_public else secret}
    response = jsonify(made)
    response.status_code = 201
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get(
    "/applications/<client_id>",
    responses={200: ApplicationOut},
    operation_id="getApplication",
    summary="Get a registered program",
)
@requires(Permission.TOKENS_TOKENS_READ)
def get_application(path: ApplicationPath) -> Response:
    """One registered program."""
    return jsonify(application_out(_application(path.client_id)))


@bp.post(
    "/applications/<client_id>/disablement",
    responses={200: ApplicationOut},
    operation_id="disableApplication",
    summary="Disable a program",
)
@requires(Permission.TOKENS_TOKENS_ADMINISTER)
def disable_application(path: ApplicationPath) -> Response:
    """Disable a program for good: what people granted it ends, and its next call is refused."""
    applications.disable_application(session=g.db, actor=g.actor, at=g.at, client_id=path.client_id)
    return jsonify(application_out(_application(path.client_id)))


def _application(client_id: str) -> ClientView:
    found = applications.application(session=g.db, client_id=client_id)
    if found is None:
        raise NotFound
    return found
