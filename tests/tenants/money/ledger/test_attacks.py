"""Raw SQL under the tenant's own role, in a transaction that belongs to the tenant: the books do not give way.

What is refused, the statement says; what is admitted leaves every invariant of the books intact.
"""

from dataclasses import dataclass
from datetime import date

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tenants.money.ledger import commands as ledger
from tenants.money.ledger.rules import EntryDraft, PostingDraft
from tenants.money.periods import commands as periods
from tenants.money.periods.rules import ClosingDraft
from tests.cast import STAGE, Workspace, raise_curtain
from tests.tenants.money.stage import AT, assert_books, books_problems, move, open_account
from webapp.web.state import KEY

DENIED, CLOSED, PERIOD, UNBALANCED, GUARDED, SETTLED = "42501", "CB002", "CB003", "CB001", "CB005", "CB007"
NOWHERE, PAST = "23503", "CB008"


@dataclass(frozen=True, slots=True)
class Scene:
    """Ids of what there is to attack."""

    where: Workspace
    bank: int
    cost: int
    open: int
    locked: int
    january: int
    hold: int
    closing: int


@pytest.fixture(scope="module")
def scene(app: Flask, owner: Engine) -> Scene:
    """Return books with an open entry, a locked one, one in a closed period, a settled hold and two accounts."""
    cast = raise_curtain(app, owner)
    where = cast.acme
    bank, cost = open_account(where, "Bank"), open_account(where, "Costs", "expense")
    january = move(where, bank, cost, 100, day=date(2026, 1, 15))
    opened, locked = move(where, bank, cost, 200), move(where, bank, cost, 300)
    with where.begin() as session:
        ledger.close_entry(session=session, actor=STAGE, at=AT, entry_id=locked)
        draft = ClosingDraft(date(2026, 1, 1), date(2026, 1, 31))
        closing = periods.close_period(session=session, actor=STAGE, at=AT, draft=draft)
    body = {"account_id": bank, "amount": "1.00", "currency": "EUR"}
    hold = cast.alice.api("POST", "/holds", json=body).json["id"]
    cast.alice.api("POST", f"/holds/{hold}/release")
    return Scene(where, bank, cost, opened, locked, january, hold, closing.id)


NEW = "(day, description, created_at, created_by)"
SAID = "'x', now(), gen_random_uuid()"
REFUSED: dict[str, tuple[str, str]] = {
    # A closed entry stays as it is.
    "change a locked entry": ("UPDATE entry SET description = 'x' WHERE id = {locked}", CLOSED),
    "open a locked entry": (
        "UPDATE entry SET closed_at = NULL, closed_by = NULL, closed_because = NULL WHERE id = {locked}",
        CLOSED,
    ),
    "move a locked entry": ("UPDATE entry SET day = day + 1 WHERE id = {locked}", CLOSED),
    "delete the postings of a locked entry": ("DELETE FROM posting WHERE entry_id = {locked}", CLOSED),
    "delete a locked entry with its postings": (
        "WITH gone AS (DELETE FROM posting WHERE entry_id = {locked}) DELETE FROM entry WHERE id = {locked}",
        CLOSED,
    ),
    "clear a posting of a locked entry": ("UPDATE posting SET cleared = true WHERE entry_id = {locked}", CLOSED),
    "add postings to a locked entry": (
        "INSERT INTO posting (entry_id, position, day, account_id, amount, currency) SELECT entry_id, position + 10,"
        " day, account_id, amount, currency FROM posting WHERE entry_id = {locked}",
        CLOSED,
    ),
    "change all entries at once": ("UPDATE entry SET note = 'x'", CLOSED),
    "change a locked entry by upsert": (
        f"INSERT INTO entry (id, day, description, created_at, created_by) VALUES ({{locked}}, now(), {SAID})"
        " ON CONFLICT (id) DO UPDATE SET description = 'x'",
        CLOSED,
    ),
    "change a locked entry by merge": (
        "MERGE INTO entry e USING (SELECT {locked} AS id) s ON e.id = s.id WHEN MATCHED THEN UPDATE SET note = 'x'",
        CLOSED,
    ),
    "delete a locked entry by merge": (
        "MERGE INTO posting p USING (SELECT {locked} AS id) s ON p.entry_id = s.id WHEN MATCHED THEN DELETE",
        CLOSED,
    ),
    "change a locked entry in a subquery": (
        "WITH x AS (UPDATE entry SET note = 'x' WHERE id = {locked} RETURNING 1) SELECT * FROM x",
        CLOSED,
    ),
    # Nothing happens in a closed period.
    "book in a closed period": (f"INSERT INTO entry {NEW} VALUES ('2026-01-15', {SAID})", PERIOD),
    "book around a closed period": (
        f"INSERT INTO entry {NEW} VALUES ('2025-12-31', {SAID}), ('2026-01-15', {SAID}), ('2026-02-01', {SAID})",
        PERIOD,
    ),
    "move an entry into a closed period": ("UPDATE entry SET day = '2026-01-31' WHERE id = {open}", PERIOD),
    "move an entry out of a closed period": ("UPDATE entry SET day = '2026-02-01' WHERE id = {january}", PERIOD),
    "change an entry of a closed period": ("UPDATE entry SET description = 'x' WHERE id = {january}", PERIOD),
    "delete postings of a closed period": ("DELETE FROM posting WHERE entry_id = {january}", PERIOD),
    "clear a posting of a closed period": ("UPDATE posting SET memo = 'x' WHERE entry_id = {january}", PERIOD),
    "move the closing": ("UPDATE period_closing SET ends = '2026-01-02'", PERIOD),
    "forge who closed": ("UPDATE period_closing SET closed_by = gen_random_uuid()", PERIOD),
    "delete the closing": ("DELETE FROM period_closing", DENIED),
    "delete the closing by merge": (
        "MERGE INTO period_closing c USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
        DENIED,
    ),
    # Every entry sums to zero.
    "one leg": (
        "INSERT INTO posting (entry_id, position, day, account_id, amount, currency)"
        " SELECT id, 9, day, {bank}, 5, 'EUR' FROM entry WHERE id = {open}",
        UNBALANCED,
    ),
    "take one leg": ("DELETE FROM posting WHERE entry_id = {open} AND position = 1", UNBALANCED),
    "legs of two entries": (
        "INSERT INTO posting (entry_id, position, day, account_id, amount, currency)"
        " SELECT e.id, 9, e.day, {bank}, CASE e.id WHEN {open} THEN 5 ELSE -5 END, 'EUR' FROM entry e"
        " WHERE e.id IN ({open}, {locked})",
        UNBALANCED,
    ),
    "change an amount": ("UPDATE posting SET amount = amount * 2 WHERE entry_id = {open}", DENIED),
    "move postings to another entry": ("UPDATE posting SET entry_id = {open} WHERE entry_id = {locked}", DENIED),
    "move postings to another account": ("UPDATE posting SET account_id = {cost} WHERE entry_id = {open}", DENIED),
    "give postings another day": ("UPDATE posting SET day = day + 1 WHERE entry_id = {open}", NOWHERE),
    "give a leg another currency": (
        "INSERT INTO posting (entry_id, position, day, account_id, amount, currency)"
        " SELECT id, n, day, {bank}, CASE n WHEN 8 THEN 5 ELSE -5 END, 'USD' FROM entry, (VALUES (8), (9)) v (n)"
        " WHERE id = {open}",
        NOWHERE,
    ),
    "postings on a day that is not their entry's": (
        "INSERT INTO posting (entry_id, position, day, account_id, amount, currency)"
        " SELECT id, n, day + 1, {bank}, CASE n WHEN 8 THEN 5 ELSE -5 END, 'EUR' FROM entry, (VALUES (8), (9)) v (n)"
        " WHERE id = {open}",
        NOWHERE,
    ),
    "postings of an entry that is not there": (
        "INSERT INTO posting (entry_id, position, day, account_id, amount, currency)"
        " SELECT {open} + 1000, n, now(), {bank}, CASE n WHEN 8 THEN 5 ELSE -5 END, 'EUR' FROM (VALUES (8), (9)) v (n)",
        NOWHERE,
    ),
    "postings on an account that is not there": (
        "INSERT INTO posting (entry_id, position, day, account_id, amount, currency)"
        " SELECT id, n, day, 1000, CASE n WHEN 8 THEN 5 ELSE -5 END, 'EUR' FROM entry, (VALUES (8), (9)) v (n)"
        " WHERE id = {open}",
        NOWHERE,
    ),
    "an entry away from its postings": ("DELETE FROM entry WHERE id = {open}", NOWHERE),
    "give an account another currency": ("UPDATE account SET currency = 'USD' WHERE id = {bank}", NOWHERE),
    "an amount by upsert": (
        "INSERT INTO posting SELECT * FROM posting WHERE entry_id = {open}"
        " ON CONFLICT (entry_id, position) DO UPDATE SET amount = 1",
        DENIED,
    ),
    # Balances follow postings.
    "write a balance": ("UPDATE account_balance SET balance = 1000000", GUARDED),
    "write what is held": ("UPDATE account_balance SET held = 0", GUARDED),
    "add to a balance": (
        "INSERT INTO account_balance (account_id, balance) VALUES ({bank}, 1)"
        " ON CONFLICT (account_id) DO UPDATE SET balance = 1",
        GUARDED,
    ),
    "call the settling": (
        "SELECT balances_settle(ARRAY[{bank}]::bigint[], ARRAY['2026-11-20']::date[],"
        " ARRAY[100]::bigint[], ARRAY[0]::bigint[], ARRAY[1]::bigint[])",
        GUARDED,
    ),
    "settle inside a block": ("DO $$ BEGIN UPDATE account_balance SET balance = 1; END $$", GUARDED),
    "write a day": ("UPDATE account_day SET debit = debit + 1", GUARDED),
    "a balance by merge": (
        "MERGE INTO account_balance b USING (SELECT 1) s ON true WHEN MATCHED THEN UPDATE SET balance = 1",
        GUARDED,
    ),
    "delete a balance": ("DELETE FROM account_balance", DENIED),
    "delete a day": ("DELETE FROM account_day", DENIED),
    # Holds.
    "revive a hold": (
        "UPDATE hold SET state = 'active', settled_at = NULL, settled_by = NULL WHERE id = {hold}",
        SETTLED,
    ),
    "enlarge a hold": ("UPDATE hold SET amount = 1 WHERE id = {hold}", SETTLED),
    "delete a hold": ("DELETE FROM hold", DENIED),
    # History, trail and keys only grow.
    "rewrite the trail": ("UPDATE audit_event SET actor_label = 'x'", DENIED),
    "delete the trail": ("DELETE FROM audit_event", DENIED),
    "forge the order of the trail": (
        "INSERT INTO audit_event (id, at, actor_id, actor_label, via, action, object_type, object_id)"
        " VALUES (1, now(), gen_random_uuid(), '', '', '', '', '')",
        "428C9",
    ),
    "rewrite history": ("UPDATE entry_version SET content = '{{}}'", DENIED),
    "delete history": ("DELETE FROM entry_version", DENIED),
    "forget a key": ("DELETE FROM idempotency", DENIED),
    "rewrite an answer": ("UPDATE idempotency SET body = ''", DENIED),
    "delete an account": ("DELETE FROM account WHERE id = {bank}", DENIED),
    "change a marker": ("UPDATE _tenant_marker SET tenant_id = gen_random_uuid()", DENIED),
    "forge who booked": ("UPDATE entry SET created_by = gen_random_uuid() WHERE id = {open}", DENIED),
    "turn an entry into a reversal": ("UPDATE entry SET reverses_id = {locked} WHERE id = {open}", DENIED),
    "change the number of an entry": ("UPDATE entry SET id = 99 WHERE id = {open}", DENIED),
    # The machinery itself.
    "truncate": ("TRUNCATE posting, entry", DENIED),
    "truncate with what hangs on it": ("TRUNCATE account CASCADE", DENIED),
    "drop a table": ("DROP TABLE posting", DENIED),
    "switch a trigger off": ("ALTER TABLE entry DISABLE TRIGGER ALL", DENIED),
    "drop a trigger": ("DROP TRIGGER entry_changed ON entry", DENIED),
    "replace a rule": (
        "CREATE OR REPLACE FUNCTION balances_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        DENIED,
    ),
    "add a trigger": ("CREATE TRIGGER t AFTER INSERT ON saved_view EXECUTE FUNCTION balances_guard()", DENIED),
    "add a table": ("CREATE TABLE entry2 (a int)", DENIED),
    "add a temporary table": ("CREATE TEMP TABLE entry (id int)", DENIED),
    "hide a table behind a view": ("CREATE TEMP VIEW period_closing AS SELECT 1", DENIED),
    "play a replica": ("SET session_replication_role = replica", DENIED),
    "play a replica for a moment": ("SET LOCAL session_replication_role = 'replica'", DENIED),
    "play a replica by function": ("SELECT set_config('session_replication_role', 'replica', true)", DENIED),
    "turn by function": ("SELECT set_config('role', 'comptoir_platform', true)", DENIED),
    "change settings by update": (
        "UPDATE pg_settings SET setting = 'replica' WHERE name = 'session_replication_role'",
        DENIED,
    ),
    "change the catalogue": ("UPDATE pg_trigger SET tgenabled = 'D'", DENIED),
    "load code": ("LOAD 'auto_explain'", DENIED),
    "a constraint off": ("ALTER TABLE posting DROP CONSTRAINT posting_pkey", DENIED),
    "copy from a program": ("COPY posting FROM PROGRAM 'cat'", DENIED),
    "copy into a file": ("COPY posting TO '/tmp/x'", DENIED),
    "read the roles": ("SELECT rolpassword FROM pg_authid", DENIED),
    "become the owner": ("SET ROLE comptoir_owner", DENIED),
    "become the owner for the session": ("SET SESSION AUTHORIZATION comptoir_owner", DENIED),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_attack_is_refused(scene: Scene, what: str) -> None:
    template, sqlstate = REFUSED[what]
    names = {name: getattr(scene, name) for name in Scene.__dataclass_fields__ if name != "where"}
    with pytest.raises(DBAPIError) as caught, scene.where.begin() as session:
        session.connection().exec_driver_sql(template.format(**names).replace("%", "%%"))
    assert getattr(caught.value.orig, "sqlstate", None) == sqlstate, str(caught.value.orig)
    assert_books(scene.where)


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM entry", "UPDATE posting SET memo = 'x'", "UPDATE period_closing SET reopened_at = now()"],
)
def test_nobody_writes_the_books_while_seeing_only_the_past(scene: Scene, isolation: str, statement: str) -> None:
    schema = scene.where.ref.schema
    engine = scene.where.app.extensions[KEY].database.engine
    with engine.connect().execution_options(isolation_level=isolation) as connection:
        connection.exec_driver_sql(f"SET LOCAL ROLE {schema}")
        connection.exec_driver_sql(f"SET LOCAL search_path = {schema}, pg_catalog, pg_temp")
        with pytest.raises(DBAPIError) as caught:
            connection.exec_driver_sql(statement)
        connection.rollback()
    assert getattr(caught.value.orig, "sqlstate", None) == PAST
    assert_books(scene.where)


@pytest.mark.parametrize(
    ("lines", "sqlstate"),
    [
        ([(9, 5), (10, -4)], UNBALANCED),
        ([(9, 5)], UNBALANCED),
        ([(9, 0), (10, 0)], "23514"),
    ],
)
def test_copy_is_judged_like_every_other_way_in(scene: Scene, lines: list[tuple[int, int]], sqlstate: str) -> None:
    with pytest.raises(psycopg.Error) as caught, scene.where.begin() as session:
        driver = session.connection().connection.driver_connection
        day = driver.execute("SELECT day FROM entry WHERE id = %s", (scene.open,)).fetchone()[0]
        with driver.cursor().copy(
            "COPY posting (entry_id, position, day, account_id, amount, currency) FROM STDIN"
        ) as to:
            for position, amount in lines:
                to.write_row((scene.open, position, day, scene.bank, amount, "EUR"))
    assert caught.value.sqlstate == sqlstate
    assert_books(scene.where)


def test_a_limit_that_is_put_off_is_still_judged_at_the_end(scene: Scene) -> None:
    poor = open_account(scene.where, "Purse", overdraft_limit=0)
    with pytest.raises(DBAPIError) as caught, scene.where.begin() as session:
        session.connection().exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")
        draft = EntryDraft(
            AT.date(),
            "",
            (
                PostingDraft(poor, -5, "EUR"),
                PostingDraft(scene.cost, 5, "EUR"),
            ),
        )
        ledger.post_entry(session=session, actor=STAGE, at=AT, draft=draft)
    assert getattr(caught.value.orig, "sqlstate", None) == "CB004"
    assert_books(scene.where)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET day = day + 1 WHERE id = {open}",
        "DELETE FROM posting WHERE entry_id = {open}",
        "INSERT INTO posting (entry_id, position, day, account_id, amount, currency)"
        " SELECT id, n, day, {bank}, CASE n WHEN 8 THEN 5 ELSE -5 END, 'EUR' FROM entry, (VALUES (8), (9)) v (n)"
        " WHERE id = {open}",
        "UPDATE entry SET closed_at = now(), closed_by = gen_random_uuid(), closed_because = 'locked'"
        " WHERE id = {january}",
        "INSERT INTO hold (account_id, amount, currency, placed_at, placed_by) VALUES ({bank}, 5, 'EUR', now(),"
        " gen_random_uuid())",
    ],
)
def test_what_is_admitted_keeps_the_books_whole(scene: Scene, statement: str) -> None:
    with pytest.raises(InterruptedError), scene.where.begin() as session:
        session.connection().exec_driver_sql(statement.format(open=scene.open, bank=scene.bank, january=scene.january))
        assert books_problems(session) == []
        raise InterruptedError


def test_a_search_path_of_ones_own_does_not_pass_the_lock_of_closed_periods(scene: Scene) -> None:
    schema = scene.where.ref.schema
    lock = text("SELECT pg_try_advisory_xact_lock(hashtext('period_closing'), hashtext(:schema))")
    with scene.where.begin() as session:
        session.execute(text(f"SET LOCAL search_path = pg_catalog, {schema}"))
        session.execute(text(f"INSERT INTO entry {NEW} VALUES ('2026-03-01', {SAID})"))
        with scene.where.begin() as closing:
            assert not closing.scalar(lock, {"schema": schema}), "a period could be closed while this act goes on"
        session.rollback()
