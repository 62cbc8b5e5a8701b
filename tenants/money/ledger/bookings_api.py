"""JSON API of the other ways to book: many entries at once, a reversal, an exchange."""

from typing import Any

from flask import Response, g

from tenants.door import api_room
from tenants.idempotency import once
from tenants.money.accounts import queries as account_queries
from tenants.money.ledger import commands, exchange, queries
from tenants.money.ledger.content import draft_of
from tenants.money.ledger.elsewhere import shown_entry
from tenants.money.ledger.presentation import draft_in, entry_out
from tenants.money.ledger.shapes import BatchIn, BatchOut, EntryIn, EntryOut, EntryPath, ExchangeIn, ReversalIn
from tenants.money.ledger.weighing import weigh
from tenants.schemas import WorkspacePath, minor_in, money_error
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_, DomainError, FieldError, Invalid, NotFound
from webapp.kernel.money import MoneyError
from webapp.web.contract import promises
from webapp.web.limits import moves_money
from webapp.web.problem import translate
from webapp.web.unit import refusable

bp = api_room("api_bookings", __name__, tag="entries")


@bp.post(
    "/entries/batch",
    responses={200: BatchOut, 201: BatchOut},
    operation_id="postEntries",
    summary="Book up to 1,000 entries",
)
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
@moves_money
@promises(key="required")
def post_entries(path: WorkspacePath, body: BatchIn) -> Response:
    """Book entries, all or none, or (`atomic: false`) each for itself; the answer has a status for each."""

    def act() -> tuple[Any, int, str]:
        if body.atomic:
            drafts = [draft_in(entry, f"entries/{index}/") for index, entry in enumerate(body.entries)]
            weigh(*drafts)
            ids = commands.post_entries(session=g.db, actor=g.actor, at=g.at, drafts=drafts)
            return {"data": [{"index": n, "status": 201, "id": key} for n, key in enumerate(ids)]}, 201, ""
        weigh()  # Each is weighed by itself.
        return {"data": [_one_of_batch(n, entry) for n, entry in enumerate(body.entries)]}, 200, ""

    return once(act)


def _one_of_batch(index: int, body: EntryIn) -> dict[str, Any]:
    try:
        with refusable():
            draft = draft_in(body)
            weigh(draft)
            entry_id = commands.post_entry(session=g.db, actor=g.actor, at=g.at, draft=draft)
    except DomainError as error:
        detail = translate(error.text, error.params)
        return {"index": index, "status": error.status, "code": error.code, "detail": detail}
    return {"index": index, "status": 201, "id": entry_id}


@bp.post(
    "/entries/<int:entry_id>/reversal",
    responses={201: EntryOut},
    operation_id="reverseEntry",
    summary="Reverse an entry",
)
@requires(Permission.LEDGER_ENTRIES_REVERSE, per_account=True)
@moves_money
@promises(key="optional", body_optional=True)
def reverse_entry(path: EntryPath, body: ReversalIn) -> Response:
    """Undo an entry by a new one, at most once; the body with date and description may be left out."""

    def act() -> tuple[Any, int, str]:
        if shown_entry(queries.entry(session=g.db, entry_id=path.entry_id)) is None:
            raise NotFound
        new_id = commands.reverse_entry(
            session=g.db,
            actor=g.actor,
            at=g.at,
            entry_id=path.entry_id,
            day=body.date or g.at.date(),
            description=body.description,
        )
        # The reversal is of the same amounts as what it reverses, which was locked meanwhile.
        made = queries.entry(session=g.db, entry_id=new_id)
        weigh(*[draft_of(made)] if made else [])
        return _made(new_id)

    return once(act, required=False)


@bp.post("/exchanges", responses={201: EntryOut}, operation_id="postExchange", summary="Book an exchange")
@requires(Permission.LEDGER_ENTRIES_WRITE)
@moves_money
@promises(key="required")
def post_exchange(path: WorkspacePath, body: ExchangeIn) -> Response:
    """Book an entry in two currencies through the trading accounts; needs an Idempotency-Key."""

    def act() -> tuple[Any, int, str]:
        entry_id = exchange.post_exchange(session=g.db, actor=g.actor, at=g.at, draft=_exchange_in(body))
        return _made(entry_id)

    return once(act)


def _made(entry_id: int) -> tuple[Any, int, str]:
    entry = queries.entry(session=g.db, entry_id=entry_id)
    if entry is None:
        raise NotFound
    return entry_out(entry), 201, f"/api/v1/t/{g.slug}/entries/{entry_id}"


def _exchange_in(body: ExchangeIn) -> exchange.ExchangeDraft:
    """Read an exchange of JSON; its amounts are in the currencies of its accounts.

    Raises Invalid (from_account_id, to_account_id, from_amount, to_amount).
    """
    known = account_queries.currencies_of(session=g.db, ids=[body.from_account_id, body.to_account_id])
    minor: dict[str, int | None] = {}
    errors = []
    for side, key, amount in (
        ("from", body.from_account_id, body.from_amount),
        ("to", body.to_account_id, body.to_amount),
    ):
        try:
            minor[side] = minor_in(amount, known[key]) if amount is not None else None
        except KeyError:
            errors.append(FieldError(f"{side}_account_id", "unknown", N_("There is no such account.")))
        except MoneyError as error:
            errors.append(money_error(f"{side}_amount", error))
    if errors:
        raise Invalid(errors=tuple(errors))
    return exchange.ExchangeDraft(
        day=body.date,
        description=body.description,
        counterparty=body.counterparty,
        note=body.note,
        rate=body.rate,
        from_account_id=body.from_account_id,
        from_minor=minor["from"] or 0,
        to_account_id=body.to_account_id,
        to_minor=minor["to"],
    )
