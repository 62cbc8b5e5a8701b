"""Acts on API tokens, on a transaction bound to the platform."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, literal, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.identity.models import Token
from webapp.identity.rules import SEEN_EVERY, format_token, network, token_errors, token_hash
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound

TOKEN_LIFE = timedelta(days=90)
TOKENS_MAX = 100
OVERLAP_MAX = timedelta(days=7)


class TooManyTokens(Conflict):
    """A person has as many live tokens as one may have."""

    code = "too_many_tokens"
    message = N_("You already have %(maximum)s tokens here. Revoke one first.")


def create_token(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    token_id: str,
    secret: str,
    tenant_id: UUID,
    person_id: UUID | None,
    service_account_id: UUID | None = None,
    name: str,
    scopes: frozenset[str],
    known_scopes: tuple[str, ...],
    life: timedelta = TOKEN_LIFE,
    networks: Sequence[str] = (),
) -> str:
    """Make an API token of a person or a service account and return it whole, the only time that it can be seen.

    `networks` are those from which alone it works; none means from everywhere.
    Raises Invalid (name, scopes, days, networks), TooManyTokens.
    """
    errors = token_errors(name=name, scopes=scopes, known_scopes=known_scopes, life=life, networks=networks)
    if errors:
        raise Invalid(errors=tuple(errors))
    if _living(session, at, tenant_id, person_id or service_account_id) >= TOKENS_MAX:
        raise TooManyTokens(maximum=TOKENS_MAX)
    known_networks = [network(one) for one in networks]
    session.execute(
        insert(Token).values(
            id=token_id,
            secret_hash=token_hash(secret),
            tenant_id=tenant_id,
            person_id=person_id,
            service_account_id=service_account_id,
            name=name,
            scopes=sorted(scopes),
            networks=known_networks,
            created_at=at,
            expires_at=at + life,
        ),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="token.created",
        object_type="token",
        object_id=token_id,
        difference={
            "name": (None, name),
            "scopes": (None, sorted(scopes)),
            **({"networks": (None, known_networks)} if networks else {}),
        },
    )
    return format_token(token_id, secret)


def _living(session: Session, at: datetime, tenant_id: UUID, holder_id: UUID | None) -> int:
    """Return how many tokens a person or a service account has in a workspace."""
    query = select(func.count()).where(
        Token.tenant_id == tenant_id,
        or_(Token.person_id == holder_id, Token.service_account_id == holder_id),
        Token.revoked_at.is_(None),
        Token.expires_at > at,
    )
    return session.scalar(query) or 0


def rotate_token(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    tenant_id: UUID,
    holder_id: UUID,
    token_id: str,
    secret: str,
    overlap: timedelta,
) -> str:
    """Give a living token a new secret and return it whole, the only time that it can be seen.

    The secret until now works on for `overlap`, at most until it would have expired; the one before it ends at once.
    The token lives as long from now on as it was made for. Raises NotFound, Invalid (overlap_hours).
    """
    if not timedelta(0) <= overlap <= OVERLAP_MAX:
        raise Invalid(
            errors=(FieldError("overlap_hours", "range", N_("The old secret can go on working for 0 to 168 hours.")),)
        )
    row = session.execute(
        update(Token)
        .where(
            Token.id == token_id,
            Token.tenant_id == tenant_id,
            or_(Token.person_id == holder_id, Token.service_account_id == holder_id),
            Token.revoked_at.is_(None),
            Token.expires_at > at,
        )
        .values(
            former_hash=Token.secret_hash,
            former_until=func.least(at + overlap, Token.expires_at),
            secret_hash=token_hash(secret),
            expires_at=literal(at) + (Token.expires_at - func.coalesce(Token.rotated_at, Token.created_at)),
            rotated_at=at,
        )
        .returning(Token.former_until),
    ).first()
    if row is None:
        raise NotFound
    record(
        session=session,
        actor=actor,
        at=at,
        action="token.rotated",
        object_type="token",
        object_id=token_id,
        difference={"former_until": (None, row[0].isoformat())},
    )
    return format_token(token_id, secret)


def revoke_token(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    tenant_id: UUID,
    token_id: str,
    person_id: UUID | None,
    service_account_id: UUID | None = None,
) -> None:
    """Revoke a personal token of the workspace, of one person only if named, or one of a service account.

    Raises NotFound.
    """
    query = update(Token).where(
        Token.id == token_id,
        Token.tenant_id == tenant_id,
        Token.revoked_at.is_(None),
        Token.service_account_id.is_not_distinct_from(service_account_id),
    )
    if person_id is not None:
        query = query.where(Token.person_id == person_id)
    result: CursorResult[Any] = session.execute(query.values(revoked_at=at))  # type: ignore[assignment]
    if result.rowcount == 0:
        raise NotFound
    record(session=session, actor=actor, at=at, action="token.revoked", object_type="token", object_id=token_id)


def touch_token(*, session: Session, token_id: str, used_at: datetime | None, at: datetime) -> None:
    """Note that a token is in use, at most once a minute."""
    if used_at is None or at - used_at >= SEEN_EVERY:
        session.execute(update(Token).where(Token.id == token_id).values(used_at=at))


def living_tokens(*, session: Session, person_id: UUID, at: datetime) -> int:
    """Return how many tokens a person has in all workspaces together."""
    query = select(func.count()).where(Token.person_id == person_id, Token.revoked_at.is_(None), Token.expires_at > at)
    return session.scalar(query) or 0


def revoke_tokens_of(*, session: Session, actor: Actor, at: datetime, person_id: UUID) -> int:
    """Revoke every token of a person in all workspaces, and return how many there were."""
    rows = session.execute(
        update(Token)
        .where(Token.person_id == person_id, Token.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(Token.id),
    ).all()
    for row in rows:
        record(session=session, actor=actor, at=at, action="token.revoked", object_type="token", object_id=row[0])
    return len(rows)
