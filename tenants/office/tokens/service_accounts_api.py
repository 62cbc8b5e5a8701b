"""JSON API of service accounts (AP-11): machines with a role, and their tokens."""

import secrets
from typing import Any
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.office.tokens import commands, queries, service_accounts
from tenants.office.tokens.forms import RotationIn, TokenIn, bounds
from tenants.office.tokens.shapes import TOKEN_ID, WHOLE, TokenFacts, facts_of
from tenants.schemas import Body, Instant, ListQuery, WorkspacePath, instant
from webapp.access.door import may_give_machine
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.identity.queries import ServiceAccountView
from webapp.kernel.errors import NotFound
from webapp.web.pagination import answer_page, cut, read_cursor
from webapp.web.state import services

bp = api_room("api_service_accounts", __name__, tag="service accounts")


class ServiceAccountIn(Body):
    """A service account to make, or as it is to be."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Nightly export", "role": "auditor", "note": "Runs on the NAS"}]}
    )

    name: str = Field(examples=["Nightly export"], min_length=1, max_length=100)
    role: str = Field(
        examples=["auditor"],
        min_length=1,
        max_length=100,
        description="A role that includes no more than your own; never `owner`.",
    )
    note: str = Field("", max_length=500, examples=["Runs on the NAS in the cellar"])


class ServiceAccountOut(BaseModel):
    """A service account."""

    id: UUID
    name: str
    role: str
    note: str
    state: str = Field(examples=["active"], description="active or disabled")
    created_at: Instant
    created_by: UUID
    disabled_at: Instant | None
    used_at: Instant | None = Field(description="When any of its tokens was last used, to the minute.")
    tokens: int = Field(description="How many of its tokens work.")


class ServiceAccountTokenOut(TokenFacts):
    """A token of a service account, without its secret."""

    service_account_id: UUID


class ServiceAccountTokenMade(ServiceAccountTokenOut):
    """A token of a service account with its secret: the only time that it is shown."""

    token: str = WHOLE


ServiceAccountList = page_of(ServiceAccountOut, "A page of service accounts.")
ServiceAccountTokenList = page_of(ServiceAccountTokenOut, "A page of a service account's tokens.")


class ServiceAccountQuery(ListQuery):
    """A page of service accounts."""

    fields: fields_of(ServiceAccountOut) = None


class ServiceAccountTokenQuery(ListQuery):
    """A page of a service account's tokens."""

    fields: fields_of(ServiceAccountTokenOut) = None


class ServiceAccountPath(WorkspacePath):
    """One service account of a workspace."""

    service_account_id: UUID


class ServiceAccountTokenPath(ServiceAccountPath):
    """One token of a service account."""

    token_id: str = TOKEN_ID


def account_out(account: ServiceAccountView) -> dict[str, Any]:
    """Write a service account for JSON."""
    return {
        "id": str(account.id),
        "name": account.name,
        "role": account.role,
        "note": account.note,
        "state": account.state,
        "created_at": instant(account.created_at),
        "created_by": str(account.created_by),
        "disabled_at": instant(account.disabled_at) if account.disabled_at else None,
        "used_at": instant(account.used_at) if account.used_at else None,
        "tokens": account.tokens_count,
    }


def token_out(row: queries.TokenRow) -> dict[str, Any]:
    """Write a token of a service account for JSON."""
    return {**facts_of(row), "service_account_id": str(row.token.service_account_id)}


@bp.get(
    "/service-accounts",
    responses={200: ServiceAccountList},
    operation_id="listServiceAccounts",
    summary="List service accounts",
)
@requires(Permission.TOKENS_TOKENS_READ)
def list_service_accounts(path: WorkspacePath, query: ServiceAccountQuery) -> Response:
    """Machines of the workspace, newest first, disabled ones too."""
    rows = queries.service_accounts(session=g.db)
    return _paged(rows, _place_of_account, "service-accounts", query, account_out)


@bp.post(
    "/service-accounts",
    responses={201: ServiceAccountOut},
    operation_id="createServiceAccount",
    summary="Make a service account",
)
@requires(Permission.TOKENS_TOKENS_ADMINISTER)
def create_service_account(path: WorkspacePath, body: ServiceAccountIn) -> Response:
    """Make a machine's identity with a role that includes no more than your own; it has no token yet."""
    made = services().new_id()
    service_accounts.add_service_account(
        session=g.db, actor=g.actor, at=g.at, service_account_id=made, may_give=may_give_machine, draft=_draft(body)
    )
    response = jsonify(account_out(_account(made)))
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/t/{g.slug}/service-accounts/{made}"
    return response


@bp.get(
    "/service-accounts/<uuid:service_account_id>",
    responses={200: ServiceAccountOut},
    operation_id="getServiceAccount",
    summary="Get a service account",
)
@requires(Permission.TOKENS_TOKENS_READ)
def get_service_account(path: ServiceAccountPath) -> Response:
    """One service account."""
    return jsonify(account_out(_account(path.service_account_id)))


@bp.put(
    "/service-accounts/<uuid:service_account_id>",
    responses={200: ServiceAccountOut},
    operation_id="changeServiceAccount",
    summary="Change a service account",
)
@requires(Permission.TOKENS_TOKENS_ADMINISTER)
def change_service_account(path: ServiceAccountPath, body: ServiceAccountIn) -> Response:
    """Change name, role and note; what its tokens may changes with their next call."""
    service_accounts.change_service_account(
        session=g.db,
        actor=g.actor,
        at=g.at,
        service_account_id=path.service_account_id,
        may_give=may_give_machine,
        draft=_draft(body),
    )
    return jsonify(account_out(_account(path.service_account_id)))


@bp.post(
    "/service-accounts/<uuid:service_account_id>/disablement",
    responses={200: ServiceAccountOut},
    operation_id="disableServiceAccount",
    summary="Disable a service account",
)
@requires(Permission.TOKENS_TOKENS_ADMINISTER)
def disable_service_account(path: ServiceAccountPath) -> Response:
    """Disable a service account for good: every token of it is revoked, and its next call is refused."""
    service_accounts.disable_service_account(
        session=g.db, actor=g.actor, at=g.at, service_account_id=path.service_account_id
    )
    return jsonify(account_out(_account(path.service_account_id)))


@bp.get(
    "/service-accounts/<uuid:service_account_id>/tokens",
    responses={200: ServiceAccountTokenList},
    operation_id="listServiceAccountTokens",
    summary="List a service account's tokens",
)
@requires(Permission.TOKENS_TOKENS_READ)
def list_tokens(path: ServiceAccountPath, query: ServiceAccountTokenQuery) -> Response:
    """Tokens of one service account, newest first."""
    _account(path.service_account_id)
    rows = queries.service_account_tokens(session=g.db, service_account_id=path.service_account_id)
    return _paged(rows, _place_of_token, "service-account-tokens", query, token_out)


@bp.post(
    "/service-accounts/<uuid:service_account_id>/tokens",
    responses={201: ServiceAccountTokenMade},
    operation_id="createServiceAccountToken",
    summary="Make a token of a service account",
)
@requires(Permission.TOKENS_TOKENS_ADMINISTER)
def create_token(path: ServiceAccountPath, body: TokenIn) -> Response:
    """Make a token with no more than the service account's role, and your own token, may."""
    token_id = secrets.token_hex(8)
    whole = service_accounts.create_token(
        session=g.db,
        actor=g.actor,
        at=g.at,
        service_account_id=path.service_account_id,
        token_id=token_id,
        secret=services().new_secret(),
        may_give=may_give_machine,
        within=bounds(),
        draft=commands.TokenDraft(body.name, frozenset(body.scopes), body.days, tuple(body.networks)),
    )
    return _answer_made(path.service_account_id, token_id, whole)


@bp.post(
    "/service-accounts/<uuid:service_account_id>/tokens/<token_id>/rotation",
    responses={201: ServiceAccountTokenMade},
    operation_id="rotateServiceAccountToken",
    summary="Rotate a token of a service account",
)
@requires(Permission.TOKENS_TOKENS_ADMINISTER)
def rotate_token(path: ServiceAccountTokenPath, body: RotationIn) -> Response:
    """Give the token a new secret, shown this once; the present one works on for `overlap_hours`."""
    whole = service_accounts.rotate_token(
        session=g.db,
        actor=g.actor,
        at=g.at,
        service_account_id=path.service_account_id,
        token_id=path.token_id,
        secret=services().new_secret(),
        may_give=may_give_machine,
        within=bounds(),
        overlap_hours=body.overlap_hours,
    )
    return _answer_made(path.service_account_id, path.token_id, whole)


@bp.post(
    "/service-accounts/<uuid:service_account_id>/tokens/<token_id>/revocation",
    responses={200: ServiceAccountTokenOut},
    operation_id="revokeServiceAccountToken",
    summary="Revoke a token of a service account",
)
@requires(Permission.TOKENS_TOKENS_ADMINISTER)
def revoke_token(path: ServiceAccountTokenPath) -> Response:
    """Revoke the token. It stays in the list as revoked."""
    service_accounts.revoke_token(
        session=g.db,
        actor=g.actor,
        at=g.at,
        service_account_id=path.service_account_id,
        token_id=path.token_id,
    )
    return jsonify(token_out(_token(path.service_account_id, path.token_id)))


def _draft(body: ServiceAccountIn) -> service_accounts.ServiceAccountDraft:
    return service_accounts.ServiceAccountDraft(body.name, body.role, body.note)


def _account(service_account_id: UUID) -> ServiceAccountView:
    found = queries.service_account(session=g.db, service_account_id=service_account_id)
    if found is None:
        raise NotFound
    return found


def _token(service_account_id: UUID, token_id: str) -> queries.TokenRow:
    found = queries.service_account_tokens(session=g.db, service_account_id=service_account_id, token_id=token_id)
    if not found:
        raise NotFound
    return found[0]


def _answer_made(service_account_id: UUID, token_id: str, whole: str) -> Response:
    response = jsonify({**token_out(_token(service_account_id, token_id)), "token": whole})
    response.status_code = 201
    response.headers["Cache-Control"] = "no-store"
    return response


def _place_of_account(row: ServiceAccountView) -> list[str]:
    return [instant(row.created_at), str(row.id)]


def _place_of_token(row: queries.TokenRow) -> list[str]:
    return [instant(row.token.created_at), row.token.id]


def _paged(rows: list[Any], place: Any, name: str, query: Any, out: Any) -> Response:
    position = read_cursor(name, query.cursor)
    rows = sorted(rows, key=place, reverse=True)
    rows = [row for row in rows if position is None or place(row) < position]
    page, cursor = cut(rows, query.limit, name, place)
    return answer_page([out(row) for row in page], cursor)
