"""JSON API of entries."""

from datetime import date
from typing import Any, Literal
from uuid import UUID

from flask import Response, g, jsonify, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tenants.door import API_PREFIX, guard_room
from tenants.idempotency import once
from tenants.money.accounts import queries as account_queries
from tenants.money.ledger import commands, exchange, queries, register
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.register import Key
from tenants.money.ledger.rules import EntryDraft, PostingDraft
from tenants.money.ledger.search import LENGTH_MAX, Criteria, read_search, term_for
from tenants.schemas import (
    PROBLEMS,
    AmountText,
    CurrencyCode,
    Day,
    Id,
    ListQuery,
    WorkspacePath,
    minor_in,
    money_out,
)
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_, DomainError, FieldError, Invalid, NotFound
from webapp.kernel.money import MoneyError
from webapp.web.conditions import check_version, with_etag
from webapp.web.pagination import read_cursor, sign_cursor
from webapp.web.state import services

bp = APIBlueprint(
    "api_ledger",
    __name__,
    url_prefix=API_PREFIX,
    abp_tags=[Tag(name="entries")],
    abp_responses=PROBLEMS,
    abp_security=[{"token": []}],
)
guard_room(bp)


class PostingIn(BaseModel):
    """One signed line; debit positive."""

    model_config = ConfigDict(extra="forbid")

    account_id: Id
    amount: AmountText
    currency: CurrencyCode
    memo: str = Field("", max_length=1000)


class EntryIn(BaseModel):
    """An entry to book: its postings sum to zero per currency."""

    model_config = ConfigDict(extra="forbid")

    date: Day
    description: str = Field(max_length=1000, examples=["Office rent"])
    counterparty: str = Field("", max_length=300)
    note: str = Field("", max_length=4000)
    rate: str | None = Field(None, max_length=40, description="Exchange rate as given, kept as text.")
    postings: list[PostingIn] = Field(min_length=2, max_length=500)


class BatchIn(BaseModel):
    """Up to 1,000 entries; `atomic` books all or none."""

    model_config = ConfigDict(extra="forbid")

    entries: list[EntryIn] = Field(min_length=1, max_length=1000)
    atomic: bool = True


class ReversalIn(BaseModel):
    """When and why an entry is undone."""

    model_config = ConfigDict(extra="forbid")

    date: Day | None = Field(None, description="Day of the reversal; today when it is not given.")
    description: str = Field("", max_length=1000)


class PostingOut(BaseModel):
    """One signed line; debit positive."""

    position: int
    account_id: int
    amount: str
    amount_minor: int
    currency: str
    memo: str
    cleared: bool


class EntryOut(BaseModel):
    """An entry."""

    id: int
    date: Day
    description: str
    counterparty: str
    note: str
    version: int
    state: str
    closed_because: str | None
    reverses_id: int | None
    import_id: int | None
    rate: str | None
    created_at: str
    created_by: UUID
    postings: list[PostingOut]


class EntryList(BaseModel):
    """A page of entries, newest day first."""

    data: list[EntryOut]
    next_cursor: str | None
    has_more: bool


class EntryPath(WorkspacePath):
    """One entry of a workspace."""

    entry_id: Id


def entry_out(entry: EntryView) -> dict[str, Any]:
    """Write an entry for JSON."""
    plain = (
        "id",
        "description",
        "counterparty",
        "note",
        "version",
        "closed_because",
        "reverses_id",
        "import_id",
        "rate",
    )
    return {
        **{name: getattr(entry, name) for name in plain},
        "date": entry.day.isoformat(),
        "state": "open" if entry.closed_at is None else "closed",
        "created_at": entry.created_at.isoformat(),
        "created_by": str(entry.created_by),
        "postings": [
            {
                "position": p.position,
                "account_id": p.account_id,
                **money_out(p.amount, p.currency),
                "memo": p.memo,
                "cleared": p.cleared,
            }
            for p in entry.postings
        ],
    }


def draft_in(body: EntryIn, lead: str = "") -> EntryDraft:
    """Read an entry of JSON.

    Raises Invalid (postings/N/amount, postings/N/currency).
    """
    postings, errors = [], []
    for index, line in enumerate(body.postings):
        try:
            minor = minor_in(line.amount, line.currency)
        except MoneyError as error:
            field = "currency" if error.code == "unknown_currency" else "amount"
            errors.append(FieldError(f"{lead}postings/{index}/{field}", error.code, error.detail.replace("%", "%%")))
            continue
        postings.append(PostingDraft(line.account_id, minor, line.currency, line.memo))
    if errors:
        raise Invalid(errors=tuple(errors))
    return EntryDraft(body.date, body.description, tuple(postings), body.counterparty, body.note, body.rate)


class EntryQuery(ListQuery):
    """A page of entries, narrowed by the search line of the pages and by typed filters; all must hold."""

    q: str = Field("", max_length=LENGTH_MAX, description="Search line, as in the register: rent 850.00")
    account_id: Id | None = Field(None, description="Entries with a posting on this account or one below it.")
    amount: str | None = Field(None, max_length=60, description="12.50, >50 or 10..20; without sign.")
    date_from: Day | None = None
    date_to: Day | None = None
    sort: Literal["-date", "date"] = Field("-date", description="Newest or oldest first.")
    fields: str | None = Field(None, max_length=300, description="Fields of an entry to answer with: `id,date`.")


@bp.get("/entries", responses={200: EntryList}, operation_id="listEntries", summary="List entries")
@requires(Permission.LEDGER_ENTRIES_READ)
def list_entries(path: WorkspacePath, query: EntryQuery) -> Response:
    """Entries, newest day first unless sorted otherwise."""
    wanted = wanted_fields(query.fields)
    position = read_cursor(f"entries/{query.sort}", query.cursor)
    keys = register.entry_keys(
        session=g.db,
        criteria=criteria_in(query),
        limit=query.limit + 1,
        ascending=query.sort == "date",
        beyond=Key(date.fromisoformat(position[0]), int(position[1])) if position else None,
    )
    page, more = keys[: query.limit], len(keys) > query.limit
    entries = register.entries_of(session=g.db, keys=page)
    cursor = sign_cursor(f"entries/{query.sort}", [page[-1].day.isoformat(), page[-1].entry_id]) if more else None
    rows = [entry_out(entries[key.entry_id]) for key in page]
    data = rows if wanted is None else [{name: row[name] for name in wanted} for row in rows]
    return jsonify(data=data, next_cursor=cursor, has_more=more)


def criteria_in(query: EntryQuery) -> list[Criteria]:
    """Return what a query of JSON looks for.

    Raises Invalid (q).
    """
    line = [query.q]
    if query.account_id is not None:
        line.append(f"account:#{query.account_id}")
    if query.amount:
        line.append(term_for("amount", query.amount))
    if query.date_from or query.date_to:
        line.append(f"date:{query.date_from or ''}..{query.date_to or ''}")
    return read_search(" ".join(line).strip(), accounts=lambda: account_queries.accounts(session=g.db))


def wanted_fields(text: str | None) -> list[str] | None:
    """Return the fields that were asked for, None for all.

    Raises Invalid (fields) for one that an entry does not have.
    """
    if text is None:
        return None
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in EntryOut.model_fields]
    if unknown or not wanted:
        raise Invalid(
            errors=(
                FieldError(
                    "fields", "unknown", N_("An entry has no field “%(name)s”."), {"name": (unknown or [""])[0][:40]}
                ),
            )
        )
    return wanted


@bp.post("/entries", responses={201: EntryOut}, operation_id="postEntry", summary="Book an entry")
@requires(Permission.LEDGER_ENTRIES_WRITE)
def post_entry(path: WorkspacePath, body: EntryIn) -> Response:
    """Book one balanced entry; needs an Idempotency-Key."""

    def act() -> tuple[Any, int, str]:
        draft = draft_in(body)
        entry_id = commands.post_entry(session=g.db, actor=g.actor, at=g.at, draft=draft)
        return _posted(entry_id, draft), 201, f"/api/v1/t/{g.slug}/entries/{entry_id}"

    return once(act)


def _posted(entry_id: int, draft: EntryDraft) -> dict[str, Any]:
    """Write the entry that was just booked, without reading it again."""
    lines = tuple(
        queries.PostingView(n, p.account_id, p.minor, p.currency, p.memo, cleared=False)
        for n, p in enumerate(draft.postings, 1)
    )
    return entry_out(
        EntryView(
            id=entry_id,
            day=draft.day,
            description=draft.description,
            counterparty=draft.counterparty,
            note=draft.note,
            version=1,
            created_at=g.at,
            created_by=g.actor.person_id,
            changed_at=None,
            import_id=None,
            reverses_id=None,
            rate=draft.rate,
            closed_at=None,
            closed_because=None,
            postings=lines,
        )
    )


@bp.post("/entries/batch", operation_id="postEntries", summary="Book up to 1,000 entries")
@requires(Permission.LEDGER_ENTRIES_WRITE)
def post_entries(path: WorkspacePath, body: BatchIn) -> Response:
    """Book entries, all or none, or (`atomic: false`) each for itself; the answer has a status for each."""

    def act() -> tuple[Any, int, str]:
        if body.atomic:
            drafts = [draft_in(entry, f"entries/{index}/") for index, entry in enumerate(body.entries)]
            ids = commands.post_entries(session=g.db, actor=g.actor, at=g.at, drafts=drafts)
            return {"data": [{"index": n, "status": 201, "id": key} for n, key in enumerate(ids)]}, 201, ""
        return {"data": [_one_of_batch(n, entry) for n, entry in enumerate(body.entries)]}, 200, ""

    return once(act)


def _one_of_batch(index: int, body: EntryIn) -> dict[str, Any]:
    try:
        with g.db.begin_nested():
            entry_id = commands.post_entry(session=g.db, actor=g.actor, at=g.at, draft=draft_in(body))
    except DomainError as error:
        return {"index": index, "status": error.status, "code": error.code, "detail": str(error)}
    return {"index": index, "status": 201, "id": entry_id}


@bp.get("/entries/<int:entry_id>", responses={200: EntryOut}, operation_id="getEntry", summary="Get an entry")
@requires(Permission.LEDGER_ENTRIES_READ)
def get_entry(path: EntryPath) -> Response:
    """One entry with its postings."""
    entry = queries.entry(session=g.db, entry_id=path.entry_id)
    if entry is None:
        raise NotFound
    return with_etag(jsonify(entry_out(entry)), entry.version)


@bp.put("/entries/<int:entry_id>", responses={200: EntryOut}, operation_id="editEntry", summary="Edit an open entry")
@requires(Permission.LEDGER_ENTRIES_WRITE)
def edit_entry(path: EntryPath, body: EntryIn) -> Response:
    """Change an open entry in place; its history keeps what it said. Send the ETag that you read as If-Match."""
    commands.edit_entry(
        session=g.db,
        actor=g.actor,
        at=g.at,
        change_id=services().new_id(),
        entry_id=path.entry_id,
        version=check_version(),
        draft=draft_in(body),
    )
    return get_entry(path)


@bp.delete("/entries/<int:entry_id>", responses={204: None}, operation_id="deleteEntry", summary="Delete an open entry")
@requires(Permission.LEDGER_ENTRIES_WRITE)
def delete_entry(path: EntryPath) -> tuple[str, int]:
    """Take an open entry out of the books; a closed one can only be reversed. Needs If-Match."""
    commands.delete_entry(
        session=g.db,
        actor=g.actor,
        at=g.at,
        change_id=services().new_id(),
        entry_id=path.entry_id,
        version=check_version(),
    )
    return "", 204


@bp.post(
    "/entries/<int:entry_id>/reversal",
    responses={201: EntryOut},
    operation_id="reverseEntry",
    summary="Reverse an entry",
)
@requires(Permission.LEDGER_ENTRIES_REVERSE)
def reverse_entry(path: EntryPath) -> Response:
    """Undo an entry by a new one, at most once; the body with date and description may be left out."""

    def act() -> tuple[Any, int, str]:
        body = reversal_in()
        new_id = commands.reverse_entry(
            session=g.db,
            actor=g.actor,
            at=g.at,
            entry_id=path.entry_id,
            day=body.date or g.at.date(),
            description=body.description,
        )
        made = queries.entry(session=g.db, entry_id=new_id)
        if made is None:
            raise NotFound
        return entry_out(made), 201, f"/api/v1/t/{g.slug}/entries/{new_id}"

    return once(act, required=False)


def reversal_in() -> ReversalIn:
    """Read the optional body of a reversal."""
    try:
        return ReversalIn.model_validate(request.get_json(silent=True) or {})
    except ValidationError as error:
        raise Invalid(
            errors=tuple(
                FieldError("/".join(map(str, one["loc"])), one["type"], one["msg"].replace("%", "%%"))
                for one in error.errors(include_url=False, include_context=False, include_input=False)
            ),
        ) from None


class ExchangeIn(BaseModel):
    """Money that leaves in one currency and arrives in another; give `to_amount`, `rate` or both."""

    model_config = ConfigDict(extra="forbid")

    date: Day
    description: str = Field(max_length=1000, examples=["Dollars for the journey"])
    counterparty: str = Field("", max_length=300)
    note: str = Field("", max_length=4000)
    from_account_id: Id
    from_amount: AmountText
    to_account_id: Id
    to_amount: AmountText | None = None
    rate: str | None = Field(
        None,
        pattern=r"^[0-9]{1,12}(\.[0-9]{1,12})?$",
        examples=["1.0850"],
        description="Units of the second currency for one of the first; kept as given.",
    )


@bp.post("/exchanges", responses={201: EntryOut}, operation_id="postExchange", summary="Book an exchange")
@requires(Permission.LEDGER_ENTRIES_WRITE)
def post_exchange(path: WorkspacePath, body: ExchangeIn) -> Response:
    """Book an entry in two currencies through the trading accounts; needs an Idempotency-Key."""

    def act() -> tuple[Any, int, str]:
        entry_id = exchange.post_exchange(session=g.db, actor=g.actor, at=g.at, draft=exchange_in(body))
        entry = queries.entry(session=g.db, entry_id=entry_id)
        if entry is None:
            raise NotFound
        return entry_out(entry), 201, f"/api/v1/t/{g.slug}/entries/{entry_id}"

    return once(act)


def exchange_in(body: ExchangeIn) -> exchange.ExchangeDraft:
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
            errors.append(FieldError(f"{side}_amount", error.code, error.detail.replace("%", "%%")))
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
