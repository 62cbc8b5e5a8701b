"""Bank numbers at rest: a copy of the whole database without the master key tells none of them."""

from io import BytesIO

from sqlalchemy import Engine, text

from tenants.money.accounts import queries
from tenants.money.accounts.commands import open_account
from tenants.money.accounts.rules import AccountDraft, Kind, masked
from tests.cast import STAGE, Cast
from webapp.kernel.clock import utc_now

CANARY = "FR7630006000011234567890189"
NUMBER = "LOAN-774411-0099887766"


def dump(owner: Engine, *schemas: str) -> bytes:
    """Write every table of these schemas as pg_dump does: by COPY."""
    found = BytesIO()
    with owner.connect() as connection:
        query = text("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = ANY (:schemas)")
        driver = connection.connection.driver_connection
        for table in connection.scalars(query, {"schemas": list(schemas)}).all():
            with driver.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT") as copy:
                for block in copy:
                    found.write(bytes(block))
    return found.getvalue()


def test_a_copy_of_the_database_tells_no_bank_number_and_the_right_people_still_find_it(
    cast: Cast, owner: Engine
) -> None:
    path = f"/t/{cast.acme.slug}/accounts"
    form = {"name": "Canary Bank", "kind": "asset", "currency": "EUR", "iban": "fr76 3000 6000 0112 3456 7890 189"}
    made = cast.alice.post(path, form)
    assert made.status_code == 303, made.text
    loan = cast.alice.api("POST", "/accounts", json={"name": "Loan", "kind": "liability", "currency": "EUR"})
    body = {"name": "Loan", "kind": "liability", "currency": "EUR", "number": NUMBER}
    etag = {"If-Match": loan.headers["ETag"]}
    changed = cast.alice.api("PUT", f"/accounts/{loan.json['id']}", json=body, headers=etag)
    assert changed.json["number"] == NUMBER

    copy = dump(owner, cast.acme.ref.schema, "platform")
    assert b"Canary Bank" in copy, "the copy holds the account"
    for secret in (CANARY, CANARY[4:], NUMBER, NUMBER[5:]):
        for kind in (secret.encode(), secret.encode().hex().encode(), secret.casefold().encode()):
            assert kind not in copy

    assert CANARY in cast.carol.browser().get(path).text
    asked = {"FR76 3000 6000 0112 3456 7890 189": "Canary Bank", "loan 774411 0099887766": "Loan", "FR76": None}
    for said, name in asked.items():
        answer = cast.carol.api("GET", "/accounts", query_string={"bank_number": said}).json["data"]
        assert [one["name"] for one in answer] == ([name] if name else [])
    assert cast.mallory.api("GET", "/accounts", query_string={"bank_number": CANARY}).json["data"] == []
    for said, status in ((f'account:"{CANARY}"', 200), ('account:"FR7630006000011234567890180"', 422)):
        assert cast.carol.api("GET", "/entries", query_string={"q": said}).status_code == status
    told = [event["difference"] for event in cast.alice.api("GET", "/audit-events").json["data"]]
    assert {"iban": [None, "•••• 0189"]}.items() <= next(one for one in told if "iban" in one).items()
    assert masked("123") == "••••" and masked(None) is None


def test_two_workspaces_share_neither_key_nor_mark(cast: Cast) -> None:
    draft = AccountDraft("Bank", Kind.ASSET, "EUR", iban=CANARY)
    kept = []
    for workspace in (cast.acme, cast.bravo):
        with workspace.begin() as session:
            open_account(session=session, actor=STAGE, at=utc_now(), draft=draft)
            kept.append(session.execute(text("SELECT iban_sealed, iban_blind FROM account")).one())
            assert queries.ids_by_bank_number(session=session, said=[CANARY, ""])[CANARY]
    assert kept[0].iban_blind != kept[1].iban_blind
    assert bytes(kept[0].iban_sealed)[:5] != bytes(kept[1].iban_sealed)[:5], "each has a data key of its own"
