"""JSON API of the sharing of accounts; a share is a grant, and is ended as every grant is."""

from typing import Any, Literal
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.money.accounts.sharing import Share, share, shares_of
from tenants.money.accounts.shown import known_account
from tenants.schemas import Body, Id, Instant, InstantIn, ListQuery, WorkspacePath, instant
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.web.pagination import answer_page, cut, read_cursor

bp = api_room("api_sharing", __name__, tag="accounts")


class ShareIn(Body):
    """With whom an account is shared, for what, and until when."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "person_id": "00000000-0000-4000-8000-000000000017",
                    "may": "see",
                    "until": "2027-01-31T18:00:00Z",
                }
            ]
        }
    )

    person_id: UUID = Field(strict=False)
    may: Literal["see", "book"] = "see"
    until: InstantIn
    note: str = Field("", max_length=200)


class ShareOut(BaseModel):
    """A grant that reaches an account, given on it or on one above it."""

    id: UUID = Field(description="The grant; ending it ends the sharing.")
    account_id: int = Field(description="The account on which it was given.")
    person_id: UUID
    may: str = Field(description="`see`, `book`, or empty for a grant of something else.")
    permissions: list[str]
    note: str
    expires_at: Instant


ShareList = page_of(ShareOut, "A page of grants that reach an account.")


class ShareQuery(ListQuery):
    """A page of grants."""

    fields: fields_of(ShareOut) = None


class SharedAccountPath(WorkspacePath):
    """One account of a workspace."""

    account_id: Id


def _share_out(row: Share) -> dict[str, Any]:
    return {
        "id": str(row.grant.id),
        "account_id": row.account.id,
        "person_id": str(row.grant.person_id),
        "may": row.may,
        "permissions": row.grant.permissions,
        "note": row.grant.note,
        "expires_at": instant(row.grant.expires_at),
    }


@bp.get(
    "/accounts/<int:account_id>/shares",
    responses={200: ShareList},
    operation_id="listAccountShares",
    summary="List with whom an account is shared",
)
@requires(Permission.ACCESS_ROLES_READ)
def list_shares(path: SharedAccountPath, query: ShareQuery) -> Response:
    """Grants that reach an account now, those given on it first."""
    position = read_cursor("shares", query.cursor)
    rows = list(enumerate(shares_of(known_account(path.account_id))))
    rows = [row for row in rows if position is None or row[0] > position[0]]
    page, cursor = cut(rows, query.limit, "shares", lambda row: [row[0]])
    return answer_page([_share_out(row) for _number, row in page], cursor)


@bp.post(
    "/accounts/<int:account_id>/shares",
    responses={201: ShareOut},
    operation_id="shareAccount",
    summary="Share an account with a member",
)
@requires(Permission.ACCESS_GRANTS_WRITE, confirm=True)
def share_account(path: SharedAccountPath, body: ShareIn) -> Response:
    """Let a member see an account with all below it, or book on them, until a moment."""
    grant_id = share(path.account_id, person_id=body.person_id, may=body.may, until=body.until, note=body.note)
    made = next(one for one in shares_of(known_account(path.account_id)) if one.grant.id == grant_id)
    response = jsonify(_share_out(made))
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/t/{g.slug}/access/grants/{grant_id}"
    return response
