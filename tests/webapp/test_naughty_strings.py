"""The 485 naughty strings through every text field: they come back byte for byte or are refused there, never 5xx.

`tests/data/blns.json` is npm's blns 2.0.4; beside it, what that list leaves out: NUL, lone surrogates, long texts.
"""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from markupsafe import escape
from sqlalchemy import text

from tenants.money.accounts.queries import accounts
from tenants.money.imports import sealing
from tests.cast import Cast, Person
from tests.furnished import work
from webapp.identity import queries as people
from webapp.kernel.clock import utc_now
from webapp.tenancy import queries as tenancy
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
        stored = {name for (name,) in hand.sql("SELECT name FROM account")}
        assert {one for one in STRINGS if one.strip() and len(one) <= 200} <= stored
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


Texts = dict[str, str]


@dataclass(frozen=True)
class Form:
    """A form whose text fields are all filled at once, each with another text.

    `fine` maps a field to a value that is surely taken. `rest` gives what else is sent, told the number of the sending.
    `spread` writes the texts into the form where a field has several lines.
    """

    path: str
    fine: Texts
    rest: Callable[[int], dict[str, Any]] = lambda _number: {}
    spread: Callable[[Texts], dict[str, Any]] = dict
    back: bool = True
    """Whether a refusal brings back what was typed."""


def fill(hand: Hand, form: Form, taken: Callable[[Texts, Any], None]) -> dict[str, int]:
    """Send every text through every field; what is refused is marked there and comes back as typed, the rest is taken.

    `taken` hears what was taken at last, and the answer. Returns how many texts each field has refused.
    """
    refused = dict.fromkeys(form.fine, 0)
    gap = len(STRINGS) // len(form.fine)
    for number in range(len(STRINGS)):
        sent = {name: STRINGS[(number + gap * at) % len(STRINGS)] for at, name in enumerate(form.fine)}
        for _ in (*form.fine, None):
            answer = hand.post(form.path.format(number=number + 1), **form.rest(number), **form.spread(sent))
            if answer.status_code != REFUSED:
                break
            marks = {name for name in sent if marked(answer, name.partition(" ")[0]) and sent[name] != form.fine[name]}
            assert marks, (form.path, sent, re.findall(r'role="alert".*?</div>', answer.text, re.DOTALL))
            if form.back:
                shown_again = typed(answer)
                lost = {name for name in sent if sent[name] not in shown_again[name.partition(" ")[0]]}
                assert not lost, (form.path, lost, sent)
            for name in marks:
                sent[name] = form.fine[name]
                refused[name] += 1
            if sent == form.fine:
                break
        if answer.status_code != REFUSED or sent != form.fine:
            assert answer.status_code in {201, 303}, (form.path, sent, answer.status_code)
            taken(sent, answer)
    return refused


def refuse(hand: Hand, form: Form) -> None:
    """Send texts through fields that take dates and figures: they are refused there, and come back as typed."""
    gap = len(STRINGS) // len(form.fine)
    for number in range(0, len(STRINGS), 4):
        sent = {name: STRINGS[(number + gap * at) % len(STRINGS)] for at, name in enumerate(form.fine)}
        answer = hand.post(form.path, **form.rest(number), **form.spread(sent))
        assert answer.status_code == REFUSED, (form.path, sent, answer.status_code)
        assert [name for name in sent if marked(answer, name)], (form.path, sent)
        assert not {name for name in sent if sent[name] not in typed(answer)[name]}, (form.path, sent)


def shortened(one: str, most: int) -> str:
    """Return the beginning of a text, as it is kept: what shows nothing is none."""
    return one[:most] if one[:most].strip() else ""


def fits(most: int) -> int:
    """Return how many texts show something and have at most so many characters."""
    return sum(1 for one in STRINGS if one.strip() and len(one) <= most)


class TestForms:
    """Every text through every text field of the pages, several fields of a form at once."""

    def test_accounts(self, hand: Hand) -> None:
        def taken(one: Texts, _answer: Any) -> None:
            with hand.cast.acme.begin() as session:
                row = accounts(session=session)[0]
            stored = (row.name, row.code or "", row.number or "")
            assert stored == (one["name"], shortened(one["code"], 40), shortened(one["number"], 64))

        rest = {"kind": "asset", "currency": "EUR"}
        form = Form(
            f"{hand.here}/accounts/{hand.account()}", {"name": "Fine", "code": "", "number": ""}, lambda _: rest
        )
        refused = fill(hand, form, taken)
        assert refused["name"] == len(STRINGS) - fits(200)
        names = ("iban", "opened_on", "closed_on", "overdraft_limit")
        refuse(hand, Form(f"{hand.here}/accounts", dict.fromkeys(names, ""), lambda _: rest | {"name": "Fine"}))

    def test_entries_and_their_reversals(self, hand: Hand) -> None:
        accounts = [str(hand.account()), str(hand.account("Cost", "expense"))]
        fixed = {"account_id": accounts, "date": "2026-11-20", "amount": ["1", "-1"]}
        texts = ("description", "counterparty", "note", "memo 1", "memo 2")
        form = Form(
            f"{hand.here}/entries",
            dict.fromkeys(texts, "") | {"description": "Fine"},
            lambda _: fixed,
            lambda sent: (
                {name: sent[name] for name in texts[:3]}
                | {"memo": [sent["memo 1"], sent["memo 2"]], "rate": sent["memo 1"][:40]}
            ),
        )
        sent: list[tuple[str, Texts]] = []
        fill(hand, form, lambda one, answer: sent.append((answer.headers["Location"].rpartition("/")[2], one)))
        rows = hand.sql(
            "SELECT e.id::text, e.description, e.counterparty, e.note, a.memo, b.memo FROM entry e"
            " JOIN posting a ON a.entry_id = e.id AND a.position = 1"
            " JOIN posting b ON b.entry_id = e.id AND b.position = 2 ORDER BY e.id"
        )
        assert [tuple(row) for row in rows] == [(key, *(one[name] for name in texts)) for key, one in sent]
        assert shown(hand.get(f"{hand.here}/entries/{sent[77][0]}"), sent[77][1]["description"])
        undated = Form(
            form.path,
            {"date": "", "amount": ""},
            lambda _: {"account_id": accounts, "description": "x", "memo": ["", ""]},
            lambda sent: sent | {"amount": [sent["amount"], "-1"]},
        )
        refuse(hand, undated)
        reversed_by = dict(zip((key for key, _ in sent), STRINGS, strict=True))
        for key, one in list(reversed_by.items())[::4]:
            hand.post(f"{hand.here}/entries/{key}/reversal", description=one, date="2026-11-21")
        undone = hand.sql("SELECT reverses_id::text, description FROM entry WHERE reverses_id IS NOT NULL")
        assert len(undone) > len(STRINGS) // 5
        assert [row for row in undone if row[1] != reversed_by[row[0]] and reversed_by[row[0]].strip()] == []

    def test_holds(self, hand: Hand) -> None:
        account, cost = hand.account(), hand.account("Cost", "expense")
        body = entry_body("Opening", (account, cost))
        body["postings"] = [
            one | {"amount": f"{sign}900.00"} for one, sign in zip(body["postings"], ("", "-"), strict=True)
        ]
        assert hand.call("POST", "/entries", json=body).status_code == 201
        rest = {"account_id": str(account)}
        refuse(hand, Form(f"{hand.here}/holds", {"amount": "", "expires_on": ""}, lambda _: rest))
        form = Form(f"{hand.here}/holds", {"description": ""}, lambda _: rest | {"amount": "0.01"})
        sent: list[str] = []
        fill(hand, form, lambda one, _: sent.append(one["description"]))
        assert [row[0] for row in hand.sql("SELECT description FROM hold ORDER BY id")] == sent

    def test_closings(self, hand: Hand) -> None:
        path = f"{hand.here}/period-closings"
        refuse(hand, Form(path, {"starts": "", "ends": ""}, lambda _: {"note": "Fine"}))
        days = [(date(2001, 1, 1) + timedelta(days=number)).isoformat() for number in range(len(STRINGS))]
        sent: list[str] = []
        form = Form(path, {"note": ""}, lambda number: {"starts": days[number], "ends": days[number]})
        refused = fill(hand, form, lambda one, _: sent.append(one["note"]))
        assert [row[0] for row in hand.sql("SELECT note FROM period_closing ORDER BY starts")] == sent
        assert refused["note"] == sum(1 for one in STRINGS if len(one) > 1000)

    def test_views(self, hand: Hand) -> None:
        for number, one in enumerate(STRINGS):
            other = STRINGS[number - 100]
            answer = hand.post(f"{hand.here}/entries/views", name=one, q=other)
            if answer.status_code == REFUSED:
                assert not one.strip() or len(one) > 100 or len(other) > 1000, one
                continue
            kept = hand.sql("DELETE FROM saved_view RETURNING name, query")
            assert [tuple(row) for row in kept] == [(one, other.strip())]

    def test_profile(self, hand: Hand) -> None:
        def taken(one: Texts, _answer: Any) -> None:
            with hand.cast.app.extensions[KEY].database.platform() as session:
                kept = people.people(session=session, ids={hand.alice.id})[hand.alice.id].name
            assert kept == one["name"]

        form = Form("/profile", {"name": "Alice"}, lambda _: {"language": "en", "theme": "dark", "density": "compact"})
        refused = fill(hand, form, taken)
        assert refused["name"] == len(STRINGS) - fits(200)

    def test_tokens(self, hand: Hand) -> None:
        def taken(one: Texts, answer: Any) -> None:
            assert shown(answer, one["name"]), one
            hand.on_platform("DELETE FROM token WHERE true")

        form = Form(f"{hand.here}/tokens", {"name": "Fine"}, lambda _: {"days": "7", "scopes": "ledger:read"})
        refused = fill(hand, form, taken)
        assert refused["name"] == len(STRINGS) - fits(100)

    def test_invitations(self, hand: Hand) -> None:
        form = Form(f"{hand.here}/invitations", {"email": "fine@example.org"}, lambda _: {"role": "member"}, back=False)

        def taken(one: Texts, _answer: Any) -> None:
            with hand.cast.app.extensions[KEY].database.platform() as session:
                tenant = {"tenant_id": hand.cast.acme.ref.id}
                kept = [one.email for one in tenancy.open_invitations(session=session, at=utc_now(), **tenant)]
                session.execute(text("DELETE FROM invitation WHERE tenant_id = :tenant_id"), tenant)
            assert kept == [one["email"].strip()]

        refused = fill(hand, form, taken)
        assert refused["email"] > len(STRINGS) // 2

    def test_a_new_workspace_that_cannot_be(self, hand: Hand) -> None:
        olga = Hand(hand.cast)
        olga.browser = hand.cast.olga.browser()
        olga.token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', olga.get("/profile").text)[0]
        for number, one in enumerate(STRINGS):
            other = STRINGS[number - 100]
            answer = olga.post("/workspaces", name=one, slug="NOT A SLUG", base_currency="EUR", owner_email=other)
            assert answer.status_code == REFUSED
            fields = typed(answer)
            assert (fields["name"], fields["owner_email"]) == ([one], [other])

    def test_rows_that_are_corrected_and_columns_that_are_said(self, hand: Hand) -> None:
        account = hand.account()
        wrong = "".join(f"2026-02-30,Payee {number},-1.00,EUR\n" for number in range(len(STRINGS) + 1))
        key = bring(hand, account, f"Date,Payee,Amount,Currency\n{wrong}".encode(), "wrong.csv")
        good = {"date": "2026-02-27", "amount": "-1.00", "currency": "EUR"}
        sent: list[Texts] = []
        form = Form(f"{hand.here}/imports/{key}/rows/{{number}}", {"counterparty": "", "text": ""}, lambda _: good)
        fill(hand, form, lambda one, _: sent.append(one))
        rows = hand.sql("SELECT counterparty, description FROM import_row WHERE state <> 'wrong' ORDER BY position")
        assert [tuple(row) for row in rows] == [
            tuple(one[name] if one[name].strip() else "" for name in ("counterparty", "text")) for one in sent
        ]
        refuse(hand, Form(f"{hand.here}/imports/{key}/rows/{len(STRINGS) + 1}", dict.fromkeys(good, "")))
        names = ("multiplier", "fixed_currency", "header_line", "date_format", "delimiter", "encoding", "column-0")
        for number, one in list(enumerate(STRINGS))[::4]:
            columns = {name: STRINGS[number - 60 * at] for at, name in enumerate(names)}
            answer = hand.post(f"{hand.here}/imports/{key}/mapping/sample", **columns)
            assert answer.status_code in {200, REFUSED}, one
            if answer.status_code == REFUSED:
                assert typed(answer)["multiplier"] == [columns["multiplier"]]


class TestPages:
    def test_searches_and_addresses(self, hand: Hand) -> None:
        words = ("invitations/{}", "sign-in/{}", "first-operator/{}", "t/{}/", "{}")
        for number, one in enumerate(STRINGS):
            question = {"account": one, "to": one, "amount": one, "from": one, "is": one, "after": one}
            answer = hand.get(f"{hand.here}/entries", q=one)
            assert answer.status_code == 200 and one.strip() in typed(answer)["q"][0], one
            if number % 10 == 0:
                hand.get(f"{hand.here}/entries", **question)
                hand.get(f"{hand.here}/audit-events", actor=one, action=one, object_type=one, object_id=one)
            if number % 3 == 0:
                hand.get("/" + words[number // 3 % len(words)].format(quote(one, safe="") or "x"), next=one)

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
        positions = [row[0] for row in hand.sql("SELECT position FROM import_row WHERE import_id = :key", key=key)]
        with hand.cast.acme.begin() as session:
            said = sealing.said(session=session, import_id=int(key), positions=positions)
            raw = "\n".join(one.raw for _, one in said)
        assert [one for one in sent if one.replace('"', '""') not in raw] == []
        for one in [*STRINGS[::40], *BROKEN[:1]]:
            if "\n" in one or '"' in one:
                continue
            name = f"{one}.csv"
            key = bring(hand, account, b"Date,Payee,Amount\n2026-01-01,x,-1.00\n", name)
            assert hand.get(f"{hand.here}/imports/{key}").status_code == 200


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
