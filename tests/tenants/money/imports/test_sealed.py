"""Statements at rest: a copy of the database tells no bank number of theirs, before and after a rotation."""

from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, insert

from tests.tenants.money.accounts.test_sealed import dump
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import ring_of
from webapp.keys import commands, places
from webapp.keys.models import DataKey

OWN, OTHER, PAYEE = "FR7630006000011234567890189", "DE89370400440532013000", "GB29NWBK60161331926819"
ROWS = 600
"""More than two blocks of texts."""
STATEMENT = "\n".join(
    [
        "Date,Account,Payee,Payee account,Amount,Currency",
        f"2026-01-02,{OWN},Shop,{PAYEE},-1.00,EUR",
        f"{PAYEE},{OTHER},Wrong,{PAYEE},-2.00,EUR",
        *(f"2026-01-03,{OTHER},Payee {number},{PAYEE},-{number}.00,EUR" for number in range(3, ROWS + 1)),
    ]
)


def told(desk: Any, import_id: int) -> tuple[Any, ...]:
    """Return what a person is told of an import, by everything that names bank numbers."""
    found, rows = desk.get(import_id), desk.rows(import_id)
    wrong = rows[1]
    return [one["label"] for one in found["accounts"]], rows[0]["raw"], wrong["fields"], wrong["reason"]


def rotate(desk: Any) -> dict[str, int]:
    """Seal every column of the workspace anew under a key that is made now; return how many values of each table."""
    workspace, ring = desk.cast.acme, ring_of(desk.database)
    old = [ring.current(workspace.ref.id)]
    with desk.database.platform() as session:
        for purpose in ("seal", "blind"):
            made = ring.wrapped_key(workspace.ref.id, purpose)
            key = {"tenant_id": workspace.ref.id, "purpose": purpose, "rotation": uuid4(), "made_at": utc_now()}
            session.execute(insert(DataKey).values(**key, master_id=made.master_id, wrapped=made.wrapped))
    ring.forget()
    done: dict[str, int] = {}
    with workspace.begin() as session:
        for column in places.columns(of_tenant=True):
            known, after = {"session": session, "column": column, "old": old}, None
            while some := commands.reseal_some(tenant_id=workspace.ref.id, after=after, limit=2, **known):
                done[column.table.name], after = done.get(column.table.name, 0) + len(some), some[-1]
            assert not commands.left_under(**known), column
    return done


def test_a_copy_of_the_database_tells_no_bank_number_of_a_statement_before_and_after_a_rotation(
    desk: Any, owner: Engine
) -> None:
    found = desk.bring(STATEMENT)
    assert found["state"] == "review", found
    before = told(desk, found["id"])
    assert PAYEE in before[1] and PAYEE in before[2]["date"] and before[2]["account_label"] == OTHER, before
    assert [one["name"] for one in found["accounts"]] == ["Bank •••• 0189", "Bank •••• 3000"]
    assert before[0] == [OWN, OTHER]
    first = {"import_text": 3, "import_chunk": 1, "import_secret": 1, "import": 2}
    assert rotate(desk).items() >= first.items(), "texts of three blocks, the file, the secret, accounts and balances"
    assert told(desk, found["id"]) == before

    corrected = {"date": "2026-01-05", "amount": "-2.00", "currency": "EUR", "counterparty": "Right", "text": ""}
    assert desk.alice.api("PUT", f"/imports/{found['id']}/rows/2", json=corrected).status_code == 200
    publication, key = f"/imports/{found['id']}/publication", {"Idempotency-Key": "canary"}
    published = desk.alice.api("POST", publication, headers=key)
    assert (published.status_code, desk.work()) == (202, 1)
    again = desk.bring(STATEMENT)
    assert (again["counts"]["new"], again["counts"]["duplicate"], again["counts"]["wrong"]) == (0, ROWS - 1, 1), again
    assert rotate(desk)["idempotency"] >= 1
    assert desk.alice.api("POST", publication, headers=key).data == published.data, "kept sealed, and repeated"
    known = desk.alice.api("GET", "/accounts", query_string={"bank_number": OTHER}).json["data"]
    assert [one["name"] for one in known] == ["Bank •••• 3000"]

    copy = dump(owner, desk.cast.acme.ref.schema, "platform")
    assert b"Payee 77" in copy, "the copy holds the statement's movements"
    for number in (OWN, OTHER, PAYEE):
        for kind in (number, number[4:], number.encode().hex(), number.casefold()):
            assert kind.encode() not in copy, copy[copy.find(kind.encode()) - 500 :][:600]
    assert desk.act(found["id"], "reversal").status_code == 202
    assert desk.get(found["id"])["state"] == "reversed"
    assert told(desk, found["id"])[:2] == before[:2]
