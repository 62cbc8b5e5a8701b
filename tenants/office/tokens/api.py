"""JSON API of API tokens."""

import secrets
from typing import Any
from uuid import UUID

from flask import Response, g, jsonify

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.office.tokens import commands, queries
from tenants.office.tokens.forms import RotationIn, TokenIn, bounds
from tenants.office.tokens.shapes import TOKEN_ID, WHOLE, TokenFacts, facts_of
from tenants.schemas import ListQuery, WorkspacePath, instant
from webapp.access.door import person_may, scopes_of_use
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import NotFound
from webapp.web.pagination import answer_page, cut, read_cursor
from webapp.web.state import services

bp = api_room("api_tokens", __name__, tag="tokens")


class TokenOut(TokenFacts):
    """A token, without its secret."""

    person_id: UUID


class TokenMade(TokenOut):
    """A token with its secret: the only time that it is shown."""

    token: str = WHOLE


TokenList = page_of(TokenOut, "A page of tokens.")


class TokenQuery(ListQuery):
    """A page of tokens."""

    fields: fields_of(TokenOut) = None


class TokenPath(WorkspacePath):
    """One token of a workspace."""

    token_id: str = TOKEN_ID


def token_out(row: queries.TokenRow) -> dict[str, Any]:
    """Write a token for JSON."""
    return {**facts_of(row), "person_id": str(row.token.person_id)}


def _whose() -> UUID | None:
    everybody = person_may(Permission.TOKENS_TOKENS_ADMINISTER)
    return None if everybody else g.person.id


@bp.get("/tokens", responses={200: TokenList}, operation_id="listTokens", summary="List tokens")
@requires(Permission.TOKENS_TOKENS_READ)
def list_tokens(path: WorkspacePath, query: TokenQuery) -> Response:
    """Tokens, newest first: everybody's for owners and accountants, your own otherwise."""
    position = read_cursor("tokens", query.cursor)
    rows = sorted(queries.tokens(session=g.db, person_id=_whose()), key=_place, reverse=True)
    rows = [row for row in rows if position is None or _place(row) < position]
    page, cursor = cut(rows, query.limit, "tokens", _place)
    return answer_page([token_out(row) for row in page], cursor)


def _place(row: queries.TokenRow) -> list[str]:
    return [instant(row.token.created_at), row.token.id]


@bp.post("/tokens", responses={201: TokenMade}, operation_id="createToken", summary="Make a token")
@requires(Permission.TOKENS_TOKENS_WRITE)
def create_token(path: WorkspacePath, body: TokenIn) -> Response:
    """Make a token for yourself, with no more than your role's scopes and this token's own."""
    token_id = secrets.token_hex(8)
    whole = commands.create_token(
        session=g.db,
        actor=g.actor,
        at=g.at,
        token_id=token_id,
        secret=services().new_secret(),
        useful=scopes_of_use(),
        within=bounds(),
        draft=commands.TokenDraft(body.name, frozenset(body.scopes), body.days, tuple(body.networks)),
    )
    response = jsonify({**token_out(_token(token_id)), "token": whole})
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/t/{g.slug}/tokens/{token_id}"
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/tokens/<token_id>", responses={200: TokenOut}, operation_id="getToken", summary="Get a token")
@requires(Permission.TOKENS_TOKENS_READ)
def get_token(path: TokenPath) -> Response:
    """One token, without its secret."""
    return jsonify(token_out(_token(path.token_id)))


@bp.post(
    "/tokens/<token_id>/revocation", responses={200: TokenOut}, operation_id="revokeToken", summary="Revoke a token"
)
@requires(Permission.TOKENS_TOKENS_WRITE)
def revoke_token(path: TokenPath) -> Response:
    """Revoke a token: your own, or anybody's for owners and accountants. It stays in the list as revoked."""
    commands.revoke_token(session=g.db, actor=g.actor, at=g.at, token_id=path.token_id, person_id=_whose())
    return jsonify(token_out(_token(path.token_id)))


@bp.post(
    "/tokens/<token_id>/rotation", responses={201: TokenMade}, operation_id="rotateToken", summary="Rotate a token"
)
@requires(Permission.TOKENS_TOKENS_WRITE)
def rotate_token(path: TokenPath, body: RotationIn) -> Response:
    """Give a token of your own a new secret, shown this once; the present one works on for `overlap_hours`.

    The token keeps its id, scopes and networks, and lives as long from now on as it was made for.
    """
    whole = commands.rotate_token(
        session=g.db,
        actor=g.actor,
        at=g.at,
        token_id=path.token_id,
        secret=services().new_secret(),
        within=bounds(),
        overlap_hours=body.overlap_hours,
    )
    response = jsonify({**token_out(_token(path.token_id)), "token": whole})
    response.status_code = 201
    response.headers["Cache-Control"] = "no-store"
    return response


def _token(token_id: str) -> queries.TokenRow:
    row = queries.token(session=g.db, token_id=token_id, person_id=_whose())
    if row is None:
        raise NotFound
    return row
