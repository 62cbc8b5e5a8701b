"""What of a file is in the books already: exact identities first, then what only looks alike. Set-based and indexed.

The planner knows nothing of rows that were just staged. Scalar subqueries and LATERAL with a limit leave it no choice
but one look into an index for each row; a join could become a loop over all rows for each row. `account_id + 0` keeps
it from the index of the register, which knows nothing of amounts and is dear where the tables have no statistics yet.
"""

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants.money.imports.rules import NEAR, Wording, similar

PAIRS_AT_ONCE = 2_000

_HAS_KEYS = text("""
    SELECT EXISTS (SELECT FROM statement_key k WHERE k.account_id IN
        (SELECT DISTINCT account_id FROM import_row WHERE import_id = :id AND state = 'new'))
""")
_KEY = "SELECT entry_id FROM statement_key k WHERE k.account_id = r.account_id AND k.fingerprint = r.fingerprint"
_EXACT = text(f"""
    UPDATE import_row r SET state = 'duplicate', reason = 'already_booked', match_entry_id = ({_KEY})
    WHERE r.import_id = :id AND r.state = ANY (CAST(:states AS text[])) AND r.position BETWEEN :first AND :last
        AND ({_KEY}) IS NOT NULL
""")  # noqa: S608 - constants
_RANGE = text("""
    SELECT min(day), max(day), array_agg(DISTINCT account_id) FROM import_row
    WHERE import_id = :id AND state = 'new' AND account_id IS NOT NULL AND position BETWEEN :first AND :last
""")
_HAS_ENTRIES = text("""
    SELECT EXISTS (
        SELECT FROM account_day WHERE account_id = ANY (CAST(:accounts AS bigint[])) AND day BETWEEN :low AND :high
    )
""")
_NEAR = text("""
    SELECT r.position, r.fingerprint, r.counterparty, r.description, p.entry_id, e.counterparty, e.description
    FROM import_row r
    CROSS JOIN LATERAL (
        (SELECT entry_id, day FROM posting
         WHERE abs(amount) = abs(r.amount) AND day BETWEEN r.day AND r.day + :near
             AND account_id + 0 = r.account_id AND amount = r.amount
         ORDER BY day, entry_id LIMIT 4)
        UNION ALL
        (SELECT entry_id, day FROM posting
         WHERE abs(amount) = abs(r.amount) AND day BETWEEN r.day - :near AND r.day - 1
             AND account_id + 0 = r.account_id AND amount = r.amount
         ORDER BY day DESC, entry_id DESC LIMIT 4)
    ) p
    CROSS JOIN LATERAL (
        SELECT counterparty, description FROM entry
        WHERE id = p.entry_id AND (closed_because IS NULL OR closed_because IN ('locked', 'reconciled')) LIMIT 1
    ) e
    WHERE r.import_id = :id AND r.state = 'new' AND r.account_id IS NOT NULL AND r.position BETWEEN :first AND :last
    ORDER BY r.position, abs(p.day - r.day), p.entry_id
""")
_MATCHED = text("""
    SELECT match_entry_id FROM import_row WHERE import_id = :id AND state <> 'new' AND match_entry_id IS NOT NULL
""")
_DOUBT = text("""
    UPDATE import_row SET state = :state, reason = :reason, match_entry_id = :entry, decided_by = :by
    WHERE import_id = :id AND position = :position
""")
_SKIPPED_BEFORE = text("""
    SELECT s.fingerprint, s.match_entry_id, s.decided_by FROM import i
    CROSS JOIN LATERAL (
        SELECT fingerprint, match_entry_id, decided_by FROM import_row
        WHERE import_id = i.id AND state = 'skipped' AND match_entry_id = ANY (CAST(:entries AS bigint[]))
    ) s
    WHERE i.id <> :id AND i.state <> 'reversed'
""")
_SHUT = text("""
    UPDATE import_row r SET state = 'wrong', reason = CASE WHEN EXISTS (
            SELECT FROM account a WHERE a.id = r.account_id AND (r.day > a.closed_on OR r.day < a.opened_on)
        ) THEN 'account_closed' ELSE 'period_closed' END,
        params = jsonb_build_object('params', '{}'::jsonb, 'fields', jsonb_build_object('date', r.day))
    WHERE r.import_id = :id AND r.state IN ('new', 'doubtful') AND r.position BETWEEN :first AND :last AND (
        EXISTS (SELECT FROM account a WHERE a.id = r.account_id AND (r.day > a.closed_on OR r.day < a.opened_on))
        OR EXISTS (SELECT FROM period_closing c WHERE c.reopened_at IS NULL AND r.day BETWEEN c.starts AND c.ends))
""")
_MAY_BE_SHUT = text("""
    SELECT EXISTS (SELECT FROM period_closing WHERE reopened_at IS NULL)
        OR EXISTS (SELECT FROM account WHERE (opened_on IS NOT NULL OR closed_on IS NOT NULL)
            AND id IN (SELECT DISTINCT account_id FROM import_row WHERE import_id = :id))
""")
_ALL_ROWS = (1, 2**31 - 1)


def mark(*, session: Session, import_id: int, only: int | None = None) -> None:
    """Mark what is booked already, what looks alike, and what cannot be booked; of one row if `only` names it."""
    first, last = (only, only) if only is not None else _ALL_ROWS
    bounds = {"id": import_id, "first": first, "last": last}
    if session.scalar(_HAS_KEYS, {"id": import_id}):
        session.execute(_EXACT, bounds | {"states": ["new"]})
    if session.scalar(_MAY_BE_SHUT, {"id": import_id}):
        session.execute(_SHUT, bounds)
    _mark_near(session, bounds)


def mark_booked_since(*, session: Session, import_id: int) -> int:
    """Mark rows that another import has booked since this one was checked; return how many."""
    first, last = _ALL_ROWS
    states = ["new", "merged"]
    values = {"id": import_id, "first": first, "last": last, "states": states}
    changed: int = session.execute(_EXACT, values).rowcount  # type: ignore[attr-defined]  # an UPDATE has a row count
    return changed


def _mark_near(session: Session, bounds: dict[str, int]) -> None:
    low, high, accounts = session.execute(_RANGE, bounds).one()
    if low is None:
        return
    around = {"accounts": accounts, "low": _shifted(low, -1), "high": _shifted(high, 1)}
    if not session.scalar(_HAS_ENTRIES, around):
        return
    taken = set(session.scalars(_MATCHED, {"id": bounds["id"]}))
    found = list(_pairs(session, bounds, taken))
    if not found:
        return
    asked = {"id": bounds["id"], "entries": [entry for _, _, entry in found]}
    skipped = {(row[0], row[1]): row[2] for row in session.execute(_SKIPPED_BEFORE, asked)}
    session.execute(_DOUBT, [{"id": bounds["id"], **_judged(pair, skipped)} for pair in found])


Pair = tuple[int, UUID, int]
"""Position and fingerprint of a row, and the id of the entry that looks like it."""


def _judged(pair: Pair, skipped: dict[tuple[UUID, int], UUID | None]) -> dict[str, Any]:
    """Return what becomes of a row that looks like an entry: a person is asked once for a pair."""
    position, fingerprint, entry = pair
    by = skipped.get((fingerprint, entry))
    state, reason = ("doubtful", "near_match") if by is None else ("skipped", "skipped_before")
    return {"position": position, "entry": entry, "by": by, "state": state, "reason": reason}


def _shifted(day: date, way: int) -> date:
    return date.fromordinal(max(1, min(day.toordinal() + way * NEAR.days, date.max.toordinal())))


def _pairs(session: Session, bounds: dict[str, int], taken: set[int]) -> Iterator[Pair]:
    """Yield what looks alike; an entry is given to one row only, the first and nearest."""
    rows = session.execute(_NEAR, bounds | {"near": NEAR.days}, execution_options={"yield_per": PAIRS_AT_ONCE})
    for position, candidates in groupby(rows, key=lambda row: row[0]):
        for _, fingerprint, counterparty, description, entry_id, other_name, other_text in candidates:
            if entry_id in taken:
                continue
            if similar(Wording.of(counterparty, description), Wording.of(other_name, other_text)):
                taken.add(entry_id)
                yield position, fingerprint, entry_id
                break
