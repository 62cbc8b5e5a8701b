"""JSON API of entries."""

from datetime import date
from typing import Any

from flask import Response, g, jsonify

from tenants.door import api_room
from tenants.idempotency import once
from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.shown import shown_accounts
from tenants.money.ledger import commands, queries, register
from tenants.money.ledger.content import draft_of
from tenants.money.ledger.elsewhere import found_entry, shown_entries, shown_entry, within_shown
from tenants.money.ledger.presentation import draft_in, entry_out, posted_out
from tenants.money.ledger.reach import Key
from tenants.money.ledger.search import Criteria, read_search, term_for
from tenants.money.ledger.shapes import (
    AccountOfPosting,
    EntryAnswer,
    EntryAsk,
    EntryIn,
    EntryList,
    EntryOut,
    EntryPath,
    EntryQuery,
)
from tenants.money.ledger.weighing import weigh, weighed
from tenants.schemas import WorkspacePath
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import NotFound
from webapp.web.conditions import check_version, with_etag
from webapp.web.contract import promises
from webapp.web.limits import moves_money
from webapp.web.pagination import answer_page, cut, only, read_cursor
from webapp.web.state import services

bp = api_room("api_ledger", __name__, tag="entries")


@bp.get("/entries", responses={200: EntryList}, operation_id="listEntries", summary="List entries")
@requires(Permission.LEDGER_ENTRIES_READ, per_account=True)
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
    entries = shown_entries(register.entries_of(session=g.db, keys=page))
    return answer_page(expanded([entry_out(entries[key.entry_id]) for key in page], query), cursor)


def expanded(rows: list[dict[str, Any]], ask: EntryAsk) -> list[dict[str, Any]]:
    """Put into written entries what was asked for by `expand`."""
    if ask.expand == "postings.account":
        lines = [line for row in rows for line in row["postings"] if line["account_id"] != queries.ELSEWHERE]
        accounts = account_queries.accounts_by_id(session=g.db, ids={line["account_id"] for line in lines})
        for line in lines:
            account = accounts[line["account_id"]]
            line["account"] = {name: getattr(account, name) for name in AccountOfPosting.model_fields}
    return rows


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
    return within_shown(read_search(" ".join(line).strip(), accounts=shown_accounts))


@bp.post("/entries", responses={201: EntryOut}, operation_id="postEntry", summary="Book an entry")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
@moves_money
@promises(key="required", gives_version=True)
def post_entry(path: WorkspacePath, body: EntryIn) -> Response:
    """Book one balanced entry; needs an Idempotency-Key."""

    def act() -> tuple[Any, int, str]:
        draft = draft_in(body)
        weigh(draft)
        entry_id = commands.post_entry(session=g.db, actor=g.actor, at=g.at, draft=draft)
        return posted_out(entry_id, draft), 201, f"/api/v1/t/{g.slug}/entries/{entry_id}"

    # A new entry is of the first version; a replay tells the version that the first answer told.
    return with_etag(once(act), 1)


@bp.get("/entries/<int:entry_id>", responses={200: EntryAnswer}, operation_id="getEntry", summary="Get an entry")
@requires(Permission.LEDGER_ENTRIES_READ, per_account=True)
@promises(gives_version=True)
def get_entry(path: EntryPath, query: EntryAsk) -> Response:
    """One entry with its postings."""
    return _entry(path.entry_id, query)


def _entry(entry_id: int, ask: EntryAsk) -> Response:
    entry = shown_entry(queries.entry(session=g.db, entry_id=entry_id))
    if entry is None:
        raise NotFound
    return with_etag(jsonify(only(expanded([entry_out(entry)], ask), ask.fields)[0]), entry.version)


@bp.put("/entries/<int:entry_id>", responses={200: EntryOut}, operation_id="editEntry", summary="Edit an open entry")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
@moves_money
@promises(takes_version=True, gives_version=True)
def edit_entry(path: EntryPath, body: EntryIn) -> Response:
    """Change an open entry in place; its history keeps what it said. Send the ETag that you read as If-Match."""
    before, draft = found_entry(path.entry_id), draft_in(body)
    weigh(draft_of(before), draft)
    commands.edit_entry(
        session=g.db,
        actor=g.actor,
        at=g.at,
        change_id=services().new_id(),
        entry_id=path.entry_id,
        version=weighed(before, check_version()),
        draft=draft,
    )
    return _entry(path.entry_id, EntryAsk())


@bp.delete("/entries/<int:entry_id>", responses={204: None}, operation_id="deleteEntry", summary="Delete an open entry")
@requires(Permission.LEDGER_ENTRIES_WRITE, per_account=True)
@moves_money
@promises(takes_version=True)
def delete_entry(path: EntryPath) -> tuple[str, int]:
    """Take an open entry out of the books; a closed one can only be reversed. Needs If-Match."""
    before = found_entry(path.entry_id)
    weigh(draft_of(before))
    commands.delete_entry(
        session=g.db,
        actor=g.actor,
        at=g.at,
        change_id=services().new_id(),
        entry_id=path.entry_id,
        version=weighed(before, check_version()),
    )
    return "", 204
