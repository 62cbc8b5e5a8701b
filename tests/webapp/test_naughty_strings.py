"""The 485 naughty strings through every text field: they come back byte for byte or are refused there, never 5xx.

`tests/data/blns.json` is npm's blns 2.0.4; beside it, what that list leaves out: NUL, lone surrogates, long texts.
"""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from markupsafe import escape
from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants.money.holds.commands import place_hold
from tenants.money.holds.rules import HoldDraft
from tenants.money.ledger.views import save_view, views
from tenants.money.periods.commands import close_period
from tenants.money.periods.rules import ClosingDraft
from tests.cast import Cast, Person
from tests.furnished import work
from webapp.access.permissions import SCOPES, Role
from webapp.identity.commands import change_preferences, create_token
from webapp.kernel.errors import Invalid
from webapp.tenancy.commands import invite
from webapp.web.state import KEY

NAUGHTY: list[str] = json.loads((Path(__file__).parents[1] / "data" / "blns.json").read_text(encoding="utf-8"))
BIDI = [chr(code) for code in (0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]
OURS = [
    *(f"left{mark}right" for mark in BIDI),
    "".join(BIDI),
    "\ufeffmark",
    "a\tb",
    "a\nb",
    "\x7f\x1b[31m",
    "\ufffe\uffff",
    "e\u0301 is not é",
    "x" * 36,
    "%(name)s %s %% {0} {name} ${name}",
    "'; DROP SCHEMA platform CASCADE; --",
]
STRINGS = [*dict.fromkeys([*NAUGHTY, *OURS])]
BROKEN = ["\x00", "nul\x00inside", "\ud800", "half\udfffpair"]
EMPTY_AT_BANKS = {"-", "--"}
LONG = ["x" * 10_000, "é" * 10_000, "😀" * 10_000, "\u202e" * 10_000]
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
FEW = [*STRINGS[::6], *(one for one in NAUGHTY if one != one.strip())]
"""Enough for forms: what they do with a text before it is a command's does not depend on its script."""
FIRST_ERROR, SERVER_ERROR, REFUSED = 400, 500, 422


def test_the_list_is_whole() -> None:
    assert len(NAUGHTY) == 485


@dataclass
class Hand:
    """Alice at her browser and with her token; nothing that she does may end in a 5xx."""

    cast: Cast
    browser: FlaskClient = field(init=False)
    token: str = field(init=False)

    def __post_init__(self) -> None:
        self.browser = self.cast.alice.browser()
        page = self.browser.get("/profile").get_data(as_text=True)
        self.token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', page)[0]

    @property
    def alice(self) -> Person:
        return self.cast.alice

    @property
    def here(self) -> str:
        return f"/t/{self.cast.acme.slug}"

    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        answer = self.alice.api(method, path, **kwargs)
        assert answer.status_code < SERVER_ERROR, (path, kwargs, answer.text)
        return answer

    def post(self, path: str, **form: Any) -> Any:
        answer = self.browser.post(path, data={"csrf_token": self.token, **form})
        assert answer.status_code < SERVER_ERROR, (path, form)
        return answer

    def get(self, path: str, **question: Any) -> Any:
        answer = self.browser.get(path, query_string=question)
        assert answer.status_code < SERVER_ERROR, (path, question)
        return answer

    def account(self, name: str = "Bank", kind: str = "asset") -> int:
        return int(self.call("POST", "/accounts", json={"name": name, "kind": kind, "currency": "EUR"}).json["id"])

    def sql(self, query: str, **values: Any) -> Any:
        with self.cast.acme.begin() as session:
            return session.execute(text(query), values).all()

    def on_platform(self, statement: str) -> None:
        with self.cast.app.extensions[KEY].database.platform() as session:
            session.execute(text(f"{statement} AND tenant_id = :tenant"), {"tenant": self.cast.acme.ref.id})


@pytest.fixture
def hand(cast: Cast) -> Hand:
    return Hand(cast)


def named(answer: Any) -> set[str]:
    """Return the fields that a problem document names."""
    assert answer.status_code == REFUSED, (answer.status_code, answer.text)
    return {error["pointer"].rpartition("/")[2] for error in answer.json["errors"]}


def offer(send: Callable[[dict[str, Any]], Any], fields: dict[str, Any], texts: list[str]) -> dict[str, int]:
    """Send each text in all fields at once; what is refused must be named, and the rest must then come back unchanged.

    `fields` maps a field to a value that is surely accepted. Returns how many texts each field has refused.
    """
    refused = dict.fromkeys(fields, 0)
    for one in texts:
        sent: dict[str, Any] = dict.fromkeys(fields, one)
        answer = send(sent)
        for _ in fields:
            if answer.status_code < FIRST_ERROR:
                break
            culprits = named(answer)
            assert culprits <= {name for name in sent if sent[name] == one}, (one, culprits, answer.text)
            for name in culprits:
                sent[name] = fields[name]
                refused[name] += 1
            answer = send(sent)
        assert answer.status_code < FIRST_ERROR, (one, answer.text)
        got = {name: answer.json[name] for name in fields}
        assert got == sent, one
    return refused


def entry_body(one: str, accounts: tuple[int, int], **more: Any) -> dict[str, Any]:
    """Return an entry with the text in every field."""
    return {
        "date": "2026-11-20",
        "description": one,
        "counterparty": one,
        "note": one,
        "rate": one if len(one) <= 40 else None,
        "postings": [
            {"account_id": account, "amount": amount, "currency": "EUR", "memo": one}
            for account, amount in zip(accounts, ("1.00", "-1.00"), strict=True)
        ],
        **more,
    }


def texts_of(entry: dict[str, Any]) -> set[str]:
    """Return the texts of an entry as the API writes it."""
    found = {entry[name] for name in ("description", "counterparty", "note")}
    return found | {line["memo"] for line in entry["postings"]} | ({entry["rate"]} - {None})


class TestApi:
    def test_accounts(self, hand: Hand) -> None:
        base = {"kind": "asset", "currency": "EUR"}

        def send(sent: dict[str, Any]) -> Any:
            return hand.call("POST", "/accounts", json=base | sent)

        refused = offer(send, {"name": "Fine", "code": None, "number": None}, STRINGS)
        assert refused["name"] < 10
        stored = {(name, number) for name, number in hand.sql("SELECT name, number FROM account")}
        assert {one for one in STRINGS if one.strip() and len(one) <= 200} <= {name for name, _number in stored}
        for one in STRINGS[::5]:
            answer = hand.call("POST", "/accounts", json=base | {"name": "Fine", "iban": one})
            assert (answer.status_code == 201 and one == "") or named(answer) == {"iban"}, (one, answer.text)

    def test_entries_in_a_batch_with_reversals(self, hand: Hand) -> None:
        accounts = hand.account(), hand.account("Cost", "expense")
        sent = [one for one in STRINGS if one.strip()]
        made = hand.call("POST", "/entries/batch", json={"entries": [entry_body(one, accounts) for one in sent]})
        assert made.status_code == 201, made.text
        ids = [row["id"] for row in made.json["data"]]
        got, cursor = {}, ""
        while cursor is not None:
            page = hand.call(
                "GET", "/entries", query_string={"limit": 500} | ({"cursor": cursor} if cursor else {})
            ).json
            got |= {entry["id"]: texts_of(entry) for entry in page["data"]}
            cursor = page["next_cursor"]
        for key, one in zip(ids, sent, strict=True):
            assert got[key] == {one}, one
        for key, one in list(zip(ids, sent, strict=True))[::4]:
            undone = hand.call("POST", f"/entries/{key}/reversal", json={"description": one})
            assert undone.json["description"] == one

    def test_words_in_addresses_and_headers(self, hand: Hand) -> None:
        paths = ("/entries?q={}", "/entries?cursor={}", "/audit-events?actor={}&action={}", "/tokens/{}", "/imports/{}")
        for number, one in enumerate(STRINGS):
            path = paths[number % len(paths)]
            hand.call("GET", path.replace("{}", quote(one, safe="")))
        account = hand.account()
        for one in STRINGS[::4]:
            if one.isprintable() and all(ord(letter) < 256 for letter in one):  # what a header can hold
                hand.call(
                    "POST", "/entries", json=entry_body("x", (account, account)), headers={"Idempotency-Key": one}
                )
                hand.alice.api("GET", "/accounts", headers={"Authorization": one})

    @pytest.mark.parametrize("one", [*BROKEN, *LONG], ids=lambda one: f"{one[:1]!a}x{len(one)}")
    def test_what_cannot_be_held_is_refused_at_the_field(self, hand: Hand, one: str) -> None:
        account, cost = hand.account(), hand.account("Cost", "expense")
        for name in ("name", "code", "number"):
            body = {"name": "Fine", "kind": "asset", "currency": "EUR", name: one}
            assert named(hand.call("POST", "/accounts", json=body)) == {name}
        for name in ("description", "counterparty", "note", "rate"):
            body = entry_body("Fine", (account, cost), **{name: one})
            assert named(hand.call("POST", "/entries", json=body)) == {name}
        body = entry_body("Fine", (account, cost))
        body["postings"][1]["memo"] = one
        refused = hand.call("POST", "/entries", json=body)
        assert [error["pointer"] for error in refused.json["errors"]] == ["/postings/1/memo"]
        held = {"account_id": account, "amount": "0.01", "currency": "EUR", "description": one}
        assert named(hand.call("POST", "/holds", json=held)) == {"description"}
        closing = {"starts": "2001-01-01", "ends": "2001-01-01", "note": one}
        assert named(hand.call("POST", "/period-closings", json=closing)) == {"note"}
        assert named(hand.call("POST", "/tokens", json={"name": one, "scopes": ["ledger:read"]})) == {"name"}
        assert named(hand.call("POST", "/invitations", json={"email": f"{one}@example.org"})) == {"email"}
        posted = hand.call("POST", "/entries", json=entry_body("Fine", (account, cost))).json["id"]
        assert named(hand.call("POST", f"/entries/{posted}/reversal", json={"description": one})) == {"description"}


class TestCommands:
    """The single texts: the whole list goes through the command that every door calls."""

    def test_holds(self, hand: Hand) -> None:
        account, cost = hand.account(), hand.account("Cost", "expense")
        assert hand.call("POST", "/entries", json=entry_body("Opening", (account, cost))).status_code == 201
        with hand.cast.acme.begin() as session:

            def place(one: str) -> str:
                draft = HoldDraft(account, 1, "EUR", one)
                return place_hold(
                    session=session, actor=hand.alice.actor, at=AT, draft=draft, job_id=uuid4()
                ).description

            give(session, place, "description")

    def test_closings(self, hand: Hand) -> None:
        with hand.cast.acme.begin() as session:
            give(
                session,
                lambda one: (
                    close_period(
                        session=session,
                        actor=hand.alice.actor,
                        at=AT,
                        draft=ClosingDraft(date(2001, 1, 1), date(2001, 1, 2), one),
                    ).note
                ),
                "note",
            )

    def test_views(self, hand: Hand) -> None:
        with hand.cast.acme.begin() as session:

            def keep(one: str) -> str:
                save_view(
                    session=session, actor=hand.alice.actor, at=AT, name=one, query=one, shared=True, is_default=False
                )
                kept = views(session=session, person_id=hand.alice.id)[0]
                return kept.name if kept.query == one else f"query {kept.query}"

            give(session, keep, "name", length_max=100)

    def test_names_of_people_and_tokens(self, hand: Hand) -> None:
        with hand.cast.app.extensions[KEY].database.platform() as session:

            def rename(one: str) -> str:
                change_preferences(
                    session=session,
                    actor=hand.alice.actor,
                    at=AT,
                    person_id=hand.alice.id,
                    name=one,
                    language="en",
                    theme="dark",
                    density="compact",
                )
                return str(session.scalar(text("SELECT name FROM person WHERE id = :id"), {"id": hand.alice.id}))

            def make(one: str) -> str:
                create_token(
                    session=session,
                    actor=hand.alice.actor,
                    at=AT,
                    token_id="0" * 16,
                    secret="s" * 43,
                    tenant_id=hand.cast.acme.ref.id,
                    person_id=hand.alice.id,
                    name=one,
                    scopes=frozenset(SCOPES),
                    known_scopes=SCOPES,
                )
                return str(session.scalar(text("SELECT name FROM token WHERE id = :id"), {"id": "0" * 16}))

            give(session, rename, "name", length_max=200)
            give(session, make, "name", length_max=100)

    def test_invitations(self, hand: Hand) -> None:
        with hand.cast.app.extensions[KEY].database.platform() as session:

            def ask(lead: str, tail: str, one: str) -> str:
                # An address is what stands between the white space.
                key, whole = uuid4(), f"{lead}{one}{tail}"
                invite(
                    session=session,
                    actor=hand.alice.actor,
                    at=AT,
                    invitation_id=key,
                    email=whole,
                    tenant_id=hand.cast.acme.ref.id,
                    role=Role.MEMBER,
                    secret=str(key),
                )
                kept = session.scalar(text("SELECT email FROM invitation WHERE id = :id"), {"id": key})
                return one if kept == whole.strip() else str(kept)

            for lead, tail in (("", ""), ("", "@example.org"), ("x@", "")):
                give(session, partial(ask, lead, tail), "email", length_max=0)


class TestPages:
    def test_account_form(self, hand: Hand) -> None:
        for one in FEW:
            answer = hand.post(f"{hand.here}/accounts", name=one, kind="asset", currency="EUR", number=one[:64])
            if answer.status_code == REFUSED:
                assert not one.strip() or len(one) > 200, one
                continue
            assert shown(hand.get(answer.headers["Location"]), one), one
        stored = {row[0] for row in hand.sql("SELECT name FROM account")}
        assert {one for one in FEW if one.strip() and len(one) <= 200} <= stored

    def test_entry_form(self, hand: Hand) -> None:
        accounts = hand.account(), hand.account("Cost", "expense")
        for one in FEW:
            answer = hand.post(
                f"{hand.here}/entries",
                date="2026-11-20",
                description=one,
                counterparty=one,
                note=one,
                rate=one[:40],
                account_id=[str(key) for key in accounts],
                amount=["1", "-1"],
                memo=[one, one],
            )
            if not one.strip() and answer.status_code == REFUSED:
                continue
            assert answer.status_code == 303, one
            key = answer.headers["Location"].rpartition("/")[2]
            entry = hand.call("GET", f"/entries/{key}").json
            assert {entry["description"], entry["counterparty"], entry["note"]} == {one}
            assert {line["memo"] for line in entry["postings"]} == {one}
            assert shown(hand.get(answer.headers["Location"]), one), one
        assert hand.get(f"{hand.here}/entries", q="").status_code == 200

    def test_what_was_typed_comes_back_with_the_refusal(self, hand: Hand) -> None:
        olga = Hand(hand.cast)
        olga.browser = hand.cast.olga.browser()
        olga.token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', olga.get("/profile").text)[0]
        for one in FEW[::2]:
            sent = {"name": one, "slug": "NOT A SLUG", "base_currency": "EUR", "owner_email": "x"}
            assert one in typed(olga.post("/workspaces", **sent))["name"], one
            refused = hand.post(f"{hand.here}/entries", date="never", description=one, counterparty=one, note=one)
            assert refused.status_code == REFUSED
            fields = typed(refused)
            assert fields["description"] == fields["counterparty"] == [one], one
            assert fields["note"] == [one], one

    def test_profile_and_views_and_tokens(self, hand: Hand) -> None:
        for one in FEW[::2]:
            answer = hand.post("/profile", name=one, language="en", theme="dark", density="compact")
            if one.strip():
                assert answer.status_code == 303, one
                assert typed(hand.get("/profile"))["name"] == [one], one
            else:
                assert answer.status_code == REFUSED
            kept = hand.post(f"{hand.here}/entries/views", name=one[:100], q=one)
            if one.strip():
                assert kept.status_code == 303, one
                assert hand.sql("DELETE FROM saved_view RETURNING name, query")[-1] == (one[:100], one.strip())
        hand.post("/profile", name="Alice", language="en", theme="system", density="compact")
        made = hand.post(f"{hand.here}/tokens", name=STRINGS[120][:100], days="7", scopes="ledger:read")
        assert made.status_code == 201 and shown(made, STRINGS[120][:100])

    def test_searches_and_addresses(self, hand: Hand) -> None:
        for number, one in enumerate(FEW):
            if number % 3 == 0:
                answer = hand.get(f"{hand.here}/entries", q=one)
                assert answer.status_code == 200 and one.strip() in typed(answer)["q"][0], one
            elif number % 3 == 1:
                hand.get(f"{hand.here}/audit-events", actor=one, action=one, object_type=one, object_id=one)
                hand.get(f"{hand.here}/entries", account=one, to=one, amount=one, **{"from": one, "is": one})
            else:
                word = quote(one, safe="") or "x"
                for path in ("/invitations/{}", "/sign-in/{}", "/first-operator/{}", "/t/{}/", "/{}"):
                    hand.get(path.format(word))
                hand.get("/sign-in", next=one)
            hand.get(f"{hand.here}/entries", after=one)

    @pytest.mark.parametrize("one", [*BROKEN[:2], *LONG[:2]], ids=lambda one: f"{one[:1]!a}x{len(one)}")
    def test_what_cannot_be_held_is_refused_by_the_form(self, hand: Hand, one: str) -> None:
        accounts = [str(hand.account()), str(hand.account("Cost", "expense"))]
        lines = {"account_id": accounts, "amount": ["1", "-1"]}
        entry = {"date": "2026-11-20", "description": "Fine", "counterparty": "", "note": "", **lines}
        for name in ("description", "counterparty", "note"):
            answer = hand.post(f"{hand.here}/entries", **entry | {name: one, "memo": ["", ""]})
            assert answer.status_code == REFUSED and marked(answer, name), name
        assert hand.post(f"{hand.here}/entries", **entry, memo=["", one]).status_code == REFUSED
        for path, form, name in (
            ("/accounts", {"kind": "asset", "currency": "EUR"}, "name"),
            ("/accounts", {"kind": "asset", "currency": "EUR", "name": "Fine"}, "code"),
            ("/accounts", {"kind": "asset", "currency": "EUR", "name": "Fine"}, "number"),
            ("/accounts", {"kind": "asset", "currency": "EUR", "name": "Fine"}, "iban"),
            ("/tokens", {"days": "7", "scopes": "ledger:read"}, "name"),
            ("/invitations", {"role": "member"}, "email"),
            ("/holds", {"account_id": accounts[0], "amount": "0.01"}, "description"),
            ("/period-closings", {"starts": "2001-01-01", "ends": "2001-01-01"}, "note"),
        ):
            answer = hand.post(f"{hand.here}{path}", **form, **{name: one})
            assert answer.status_code == REFUSED and marked(answer, name), (path, name, answer.status_code)
        answer = hand.post("/profile", name=one, language="en", theme="dark", density="compact")
        assert answer.status_code == REFUSED and marked(answer, "name")
        assert hand.post(f"{hand.here}/entries/views", name=one, q="").status_code == REFUSED
        for path in ("/entries", "/audit-events"):
            assert hand.get(f"{hand.here}{path}", q=one[:2000], actor=one[:2000]).status_code == 200

    def test_sign_in_and_welcome(self, hand: Hand) -> None:
        stranger = hand.cast.app.test_client()
        token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', stranger.get("/sign-in").text)[0]
        for one in (*STRINGS[::120], *BROKEN[:2], LONG[0]):
            answer = stranger.post("/sign-in", data={"csrf_token": token, "email": one, "password": one, "next": one})
            assert answer.status_code in {REFUSED, 429}, (one, answer.status_code)


class TestImports:
    def test_rows_and_file_names(self, hand: Hand) -> None:
        account = hand.account()
        sent = [one for one in STRINGS if one.strip()]
        lines = io.StringIO()
        table = csv.writer(lines)
        table.writerow(["Date", "Payee", "Description", "Amount", "Currency"])
        for number, one in enumerate(sent):
            table.writerow([f"2026-03-{number % 28 + 1:02}", one, one, f"-{number + 1}.00", "EUR"])
        key = bring(hand, account, lines.getvalue().encode(), "statement.csv", publish="auto")
        found = hand.call("GET", f"/imports/{key}").json
        assert found["state"] == "published", (found["state"], found["counts"], found["error"])
        stored = hand.sql(
            "SELECT e.counterparty, e.description, abs(p.amount) / 100 FROM entry e "
            "JOIN posting p ON p.entry_id = e.id WHERE p.account_id = :account",
            account=account,
        )
        got = {int(number): (payee, words) for payee, words, number in stored}
        # Banks pad their columns and break their lines: white space is not the text. The raw line keeps it.
        wrong = {
            one: got.get(number)
            for number, one in enumerate(sent, 1)
            if one not in EMPTY_AT_BANKS and {squeezed(part) for part in got[number]} != {squeezed(one)}
        }
        assert not wrong, "\n".join(f"{one!a} is {got!a}" for one, got in wrong.items())
        raw = "\n".join(row[0] for row in hand.sql("SELECT raw FROM import_row ORDER BY position"))
        assert [one for one in sent if one.replace('"', '""') not in raw] == []
        for one in [*STRINGS[::40], *BROKEN[:1]]:
            if "\n" in one or '"' in one:
                continue
            name = f"{one}.csv"
            key = bring(hand, account, b"Date,Payee,Amount\n2026-01-01,x,-1.00\n", name)
            assert hand.get(f"{hand.here}/imports/{key}").status_code == 200


def give(session: Session, act: Callable[[str], str], name: str, *, length_max: int = 1000) -> None:
    """Give every text to a command, each in a savepoint that is taken back: kept as it is, or refused at the field.

    What shows something and is no longer than `length_max` must be kept.
    """
    for one in [*STRINGS, BROKEN[0], LONG[0]]:
        savepoint = session.begin_nested()
        try:
            kept = act(one)
        except Invalid as refused:
            assert {error.field for error in refused.errors} == {name}, one
            assert not one.strip() or "\x00" in one or len(one) > length_max, one
        else:
            assert kept == one
        finally:
            savepoint.rollback()


def bring(hand: Hand, account: int, content: bytes, name: str, **form: str) -> int:
    """Upload a statement and run the jobs."""
    data = {"account_id": str(account), "file": (io.BytesIO(content), name), **form}
    made = hand.call("POST", "/imports", data=data, content_type="multipart/form-data")
    assert made.status_code == 202, (name, made.text)
    work(hand.cast.acme)
    return int(made.json["id"])


def typed(answer: Any) -> dict[str, list[str]]:
    """Return what the fields of a page hold, by name."""
    found: dict[str, list[str]] = {}
    html = answer.get_data(as_text=True)
    for tag in re.findall(r"<input[^>]*>", html):
        name, value = (re.search(rf'\b{one}="([^"]*)"', tag) for one in ("name", "value"))
        if name:
            found.setdefault(name[1], []).append(unescape(value[1]) if value else "")
    for name, value in re.findall(r'<textarea[^>]*\bname="([^"]+)"[^>]*>(.*?)</textarea>', html, re.DOTALL):
        found.setdefault(name, []).append(unescape(value))
    return found


def marked(answer: Any, name: str) -> bool:
    """Tell whether the page says at a field that it is wrong."""
    return re.search(rf'<(?:input|textarea)[^>]*\bname="{name}"[^>]*aria-invalid="true"', answer.text) is not None


def squeezed(one: str) -> str:
    """Return a text as a statement's column means it: without its padding."""
    return " ".join(one.split())


def shown(answer: Any, one: str) -> bool:
    """Tell whether a page shows a text, escaped, and nothing of it as markup."""
    return str(escape(one)) in answer.get_data(as_text=True)
