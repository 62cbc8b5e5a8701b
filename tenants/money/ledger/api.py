"""JSON API of entries."""

from datetime import date
from typing import Any

from flask import Response, g, jsonify
from flask_openapi3 import APIBlueprint, Tag

from tenants.door import API_PREFIX, guard_room
from tenants.idempotency import once
from tenants.money.accounts import queries as account_queries
from tenants.money.ledger import commands, exchange, queries, register
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.register import Key
from tenants.money.ledger.rules import EntryDraft, PostingDraft
from tenants.money.ledger.search import Criteria, read_search, term_for
from tenants.money.ledger.shapes import (
    AccountOfPosting,
    BatchIn,
    BatchOut,
    EntryAnswer,
    EntryAsk,
    EntryIn,
    EntryList,
    EntryOut,
    EntryPath,
    EntryQuery,
    ExchangeIn,
    ReversalIn,
)
from tenants.schemas import PROBLEMS, WorkspacePath, minor_in, money_error, money_errors, money_out
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_, DomainError, FieldError, Invalid, NotFound
from webapp.kernel.money import MoneyError
from webapp.web.conditions import check_version, with_etag
from webapp.web.contract import promises
from webapp.web.pagination import answer_page, cut, read_cursor
from webapp.web.problem import translate
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
        "tags": list(entry.tags),
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
            errors.append(money_errors(f"{lead}postings/{index}/", error))
            continue
        postings.append(PostingDraft(line.account_id, minor, line.currency, line.memo))
    if errors:
        raise Invalid(errors=tuple(errors))
    tags = tuple(sorted(set(body.tags)))
    return EntryDraft(body.date, body.description, tuple(postings), body.counterparty, body.note, body.rate, tags)


@bp.get("/entries", responses={200: EntryList}, operation_id="listEntries", summary="List entries")
@requires(Permission.LEDGER_ENTRIES_READ)
def list_entries(path: WorkspacePath, query: EntryQuery) -> Response:
    """Entries, newest day first unless sorted otherwise."""
    position = read_cursor(f"entries/{query.sort}", query.cursor)
    keys = register.entry_keys(
        session=g.db,
        criteria=criteria_in(query),
        limit=query.limit + 1,
        ascending=query.sort == "date",
        beyond=Key(date.fromisoformat(position[0]), int(position[1])) if position else None,
    )
    page, cursor = cut(keys, query.limit, f"entries/{query.sort}", lambda key: [key.day.isoformat(), key.entry_id])
    entries = register.entries_of(session=g.db, keys=page)
    return answer_page(asked_for([entry_out(entries[key.entry_id]) for key in page], query), cursor)


def asked_for(rows: list[dict[str, Any]], ask: EntryAsk) -> list[dict[str, Any]]:
    """Put into written entries what was asked for by `expand`, and leave only what was asked for by `fields`."""
    if ask.expand == "postings.account":
        lines = [line for row in rows for line in row["postings"]]
        accounts = account_queries.accounts_by_id(session=g.db, ids={line["account_id"] for line in lines})
        for line in lines:
            account = accounts[line["account_id"]]
            line["account"] = {name: getattr(account, name) for name in AccountOfPosting.model_fields}
    if ask.fields is None:
        return rows
    wanted = ask.fields.split(",")
    return [{name: row[name] for name in wanted} for row in rows]


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


@bp.post("/entries", responses={201: EntryOut}, operation_id="postEntry", summary="Book an entry")
@requires(Permission.LEDGER_ENTRIES_WRITE)
@promises(key="required", gives_version=True)
def post_entry(path: WorkspacePath, body: EntryIn) -> Response:
    """Book one balanced entry; needs an Idempotency-Key."""

    def act() -> tuple[Any, int, str]:
        draft = draft_in(body)
        entry_id = commands.post_entry(session=g.db, actor=g.actor, at=g.at, draft=draft)
        return _posted(entry_id, draft), 201, f"/api/v1/t/{g.slug}/entries/{entry_id}"

    # A new entry is of the first version; a replay tells the version that the first answer told.
    return with_etag(once(act), 1)


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
            tags=draft.tags,
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


@bp.post(
    "/entries/batch",
    responses={200: BatchOut, 201: BatchOut},
    operation_id="postEntries",
    summary="Book up to 1,000 entries",
)
@requires(Permission.LEDGER_ENTRIES_WRITE)
@promises(key="required")
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
        detail = translate(error.text, error.params)
        return {"index": index, "status": error.status, "code": error.code, "detail": detail}
    return {"index": index, "status": 201, "id": entry_id}


@bp.get("/entries/<int:entry_id>", responses={200: EntryAnswer}, operation_id="getEntry", summary="Get an entry")
@requires(Permission.LEDGER_ENTRIES_READ)
@promises(gives_version=True)
def get_entry(path: EntryPath, query: EntryAsk) -> Response:
    """One entry with its postings."""
    return _entry(path.entry_id, query)


def _entry(entry_id: int, ask: EntryAsk) -> Response:
    entry = queries.entry(session=g.db, entry_id=entry_id)
    if entry is None:
        raise NotFound
    return with_etag(jsonify(asked_for([entry_out(entry)], ask)[0]), entry.version)


@bp.put("/entries/<int:entry_id>", responses={200: EntryOut}, operation_id="editEntry", summary="Edit an open entry")
@requires(Permission.LEDGER_ENTRIES_WRITE)
@promises(takes_version=True, gives_version=True)
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
    return _entry(path.entry_id, EntryAsk())


@bp.delete("/entries/<int:entry_id>", responses={204: None}, operation_id="deleteEntry", summary="Delete an open entry")
@requires(Permission.LEDGER_ENTRIES_WRITE)
@promises(takes_version=True)
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
@promises(key="optional", body_optional=True)
def reverse_entry(path: EntryPath, body: ReversalIn) -> Response:
    """Undo an entry by a new one, at most once; the body with date and description may be left out."""

    def act() -> tuple[Any, int, str]:
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


@bp.post("/exchanges", responses={201: EntryOut}, operation_id="postExchange", summary="Book an exchange")
@requires(Permission.LEDGER_ENTRIES_WRITE)
@promises(key="required")
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
