"""Single accounts are shared with who may not see the books; lists show exactly what single checks permit."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.holds import queries as hold_queries
from tenants.money.imports import queries as import_queries
from tenants.money.ledger import api, weighing
from tests.cast import Person, Workspace, add_person, make_workspace
from tests.tenants.money.stage import move, open_account
from tests.webapp.tenancy.routes import Caller, calls
from webapp.access.asker import Asker
from webapp.access.guard import product_rulebook
from webapp.access.permissions import BOOKS, PER_ACCOUNT, Permission, Role
from webapp.access.product import product_policies, with_own
from webapp.access.reading import PoliciesRefused
from webapp.access.rulebook import Rulebook

UNTIL = (datetime.now(UTC) + timedelta(days=30)).isoformat()


class Shop:
    """A workspace with an owner and a customer, a tree of accounts and entries between them."""

    def __init__(self, where: Workspace) -> None:
        self.where, self.alice, self.carl = where, where.people["owner"], where.people["customer"]
        ids = self.ids = {"Bank": open_account(where, "Bank"), "Client": open_account(where, "Client", code="411")}
        ids["Deposit"] = open_account(where, "Deposit", parent_id=ids["Client"])
        ids["Secret"] = open_account(where, "Secret payroll", "expense")
        self.seen = move(where, ids["Secret"], ids["Client"], 1111)
        self.below = move(where, ids["Deposit"], ids["Client"], 2222)
        self.unseen = move(where, ids["Bank"], ids["Secret"], 4747)

    def page(self, who: Person, path: str) -> Any:
        return who.browser().get(f"/t/{self.where.slug}{path}")

    def share(self, name: str, who: Person, **more: Any) -> Any:
        body = {"person_id": str(who.id), "until": UNTIL} | more
        return self.alice.api("POST", f"/accounts/{self.ids[name]}/shares", json=body)


@pytest.fixture
def shop(app: Flask, owner: Engine) -> Shop:
    number = datetime.now(UTC).strftime("%H%M%S%f")
    return Shop(make_workspace(app, owner, f"shop-{number}", {"owner": "alice", "customer": "carl"}))


def test_a_shared_account_and_what_is_below_it_is_all_that_the_person_sees(shop: Shop):
    carl, ids = shop.carl, shop.ids
    for path in ("/accounts", "/entries", f"/accounts/{ids['Client']}", f"/entries/{shop.seen}"):
        assert carl.api("GET", path).status_code == 403, path
        assert shop.page(carl, path).status_code == 403, path
    given = shop.share("Client", carl, note="their file")
    assert given.status_code == 201, given.text
    # Lists, single things and totals: what is shared, and nothing else.
    assert {one["name"] for one in carl.api("GET", "/accounts").json["data"]} == {"Client", "Deposit"}
    assert {one["id"] for one in carl.api("GET", "/entries").json["data"]} == {shop.seen, shop.below}
    for name, status in (("Client", 200), ("Deposit", 200), ("Bank", 404), ("Secret", 404)):
        assert carl.api("GET", f"/accounts/{ids[name]}").status_code == status
        assert carl.api("GET", f"/accounts/{ids[name]}/balance").status_code == status
        assert shop.page(carl, f"/accounts/{ids[name]}").status_code == status
        assert shop.page(carl, f"/accounts/{ids[name]}/export.csv").status_code == status
        found = carl.api("GET", f"/entries?account_id={ids[name]}")
        assert (found.status_code == 200) is (status == 200), "an account that is not shown is one that is not there"
    assert carl.api("GET", f"/entries/{shop.unseen}").status_code == 404
    assert shop.page(carl, f"/entries/{shop.unseen}").status_code == 404
    # The other side of an entry is an amount without a name.
    lines = carl.api("GET", f"/entries/{shop.seen}?expand=postings.account").json["postings"]
    assert [(line["account_id"], line["amount"]) for line in lines] == [(0, "-11.11"), (ids["Client"], "11.11")]
    told = [
        shop.page(carl, path).text for path in ("/entries", "/accounts", f"/entries/{shop.seen}", "/entries/export.csv")
    ]
    assert [line for text in told for line in text.splitlines() if "Secret" in line or "47.47" in line] == []
    assert "Another account" in told[0] and "11.11" in told[0] and "11.11" in told[3]
    for search in ("payroll", "47.47", "account:Secret", f"account:%23{ids['Secret']}"):
        assert "Secret payroll" not in shop.page(carl, f"/entries?q={search}").text
        assert carl.api("GET", f"/entries?q={search}").json.get("data", []) == []
    assert [one["id"] for one in carl.api("GET", "/entries?q=22.22").json["data"]] == [shop.below]
    mark = text("UPDATE posting SET cleared = true WHERE entry_id = :entry AND account_id = :account")
    for name, found in (("Secret", []), ("Client", [shop.seen])):
        with shop.where.begin() as session:
            session.execute(mark, {"entry": shop.seen, "account": ids[name]})
        cleared = carl.api("GET", "/entries?q=is:cleared").json["data"]
        assert [one["id"] for one in cleared] == found, "marks elsewhere are not told"
    # They land where they may be; all else stays closed.
    home = shop.page(carl, "/")
    assert home.status_code == 303 and home.headers["Location"].endswith("/entries")
    for path in ("/imports", "/holds", "/members", f"/accounts/{ids['Client']}/sharing", "/entries/new"):
        assert shop.page(carl, path).status_code == 403, path
    refused = carl.api("POST", "/entries", json={})
    assert refused.status_code == 403
    # One can ask why, of each account.
    about = f"person_id={carl.id}&permission=ledger:entries:read"
    for name, permit in (("Deposit", True), ("Bank", False)):
        why = shop.alice.api("GET", f"/access/explanation?{about}&account_id={ids[name]}").json
        assert (why["permit"], why["policies"]) == (permit, [f"grant:{given.json['id']}"] if permit else [])
        who = shop.alice.api("GET", f"/access/explanation?permission=ledger:entries:read&account_id={ids[name]}").json
        assert (str(carl.id) in who["person_ids"]) is permit
        may = shop.alice.api("GET", f"/access/explanation?person_id={carl.id}&account_id={ids[name]}").json
        assert may["permissions"] == (["ledger:accounts:read", "ledger:entries:read"] if permit else [])
    assert "grant:" in shop.page(shop.alice, f"/access/explanation?{about}&account_id={ids['Client']}").text
    assert shop.alice.api("GET", f"/access/explanation?{about}&account_id=999999").status_code == 404
    # It is listed where it was given, above and in the grants, and ends at once.
    assert [one["may"] for one in shop.alice.api("GET", f"/accounts/{ids['Deposit']}/shares").json["data"]] == ["see"]
    page = shop.page(shop.alice, f"/accounts/{ids['Client']}/sharing")
    assert "Carl" in page.text and "their file" in page.text
    path = f"/t/{shop.where.slug}/accounts/{ids['Client']}/sharing/{given.json['id']}/removal"
    assert shop.alice.post(path).status_code == 303
    assert carl.api("GET", "/accounts").status_code == 403
    assert {"access.granted", "access.grant_revoked"} <= {
        one["action"] for one in shop.alice.api("GET", "/audit-events").json["data"]
    }


def test_who_may_not_share_does_not_and_what_is_no_account_is_not_shared(shop: Shop):
    body = {"person_id": str(shop.carl.id), "until": UNTIL}
    assert shop.carl.api("POST", f"/accounts/{shop.ids['Bank']}/shares", json=body).status_code == 403
    assert shop.alice.api("POST", "/accounts/999999/shares", json=body).status_code == 404
    assert shop.share("Bank", shop.carl, person_id=str(UUID(int=9))).status_code == 422
    base = f"/t/{shop.where.slug}/accounts/{shop.ids['Bank']}/sharing"
    form = {"person_id": str(shop.carl.id), "may": "own", "until": UNTIL[:10]}
    assert shop.alice.post(base, form).status_code == 422
    assert shop.alice.post(base, form | {"may": "see", "until": "soon"}).status_code == 422
    assert shop.alice.post(base, form | {"may": "see"}).status_code == 303
    assert shop.page(shop.carl, f"/accounts/{shop.ids['Bank']}").status_code == 200


def test_ordinary_members_are_asked_about_no_account():
    book = product_rulebook()
    for permission in PER_ACCOUNT:
        for role in (Role.OWNER, Role.MEMBER, Role.ACCOUNTANT):
            if permission is not Permission.LEDGER_ENTRIES_REVERSE or role is not Role.MEMBER:
                assert book.extent(permission, Asker(role)).is_whole
        assert book.extent(permission, Asker(Role.CUSTOMER)).is_empty


PERMISSION = Permission.LEDGER_ENTRIES_READ
SCOPES = ('resource in Workspace::"here"', "resource is Workspace", "resource", *(["resource in Account::"] * 5))
MOODS = ("", "", "when { context.second_factor }", "when { context.minute < 600 }", "unless { context.weekday == 6 }")


@st.composite
def policies(draw: st.DrawFn, accounts: int) -> str:
    """Return a few grants, roles and forbids of a person, on accounts by their place in the tree."""
    made = []
    for number in range(draw(st.integers(0, 7))):
        effect = draw(st.sampled_from(["permit", "permit", "permit", "forbid"]))
        who = draw(st.sampled_from(['principal == Person::"{who}"', 'principal in Role::"own:desk"', "principal"]))
        scope = draw(st.sampled_from(SCOPES))
        scope += f'"{draw(st.integers(0, accounts - 1))}@"' if scope.endswith("::") else ""
        what = draw(st.sampled_from([f'action == Action::"{PERMISSION.value}"', 'action in Action::"*:read"']))
        made.append(f'@id("p{number}") {effect} ({who}, {what}, {scope}) {draw(st.sampled_from(MOODS))};')
    return "\n".join(made)


def test_a_list_shows_exactly_what_single_checks_permit(shop: Shop):
    """Random trees and policies; the engine is asked of each account with all policies and all accounts above it."""
    at = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    seen: set[int] = set()

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.integers(0, 99), min_size=3, max_size=9), st.data())
    def holds(tree: list[int], data: st.DataObject) -> None:
        written = data.draw(policies(len(tree)))
        second_factor = data.draw(st.booleans())
        with shop.where.begin() as session:
            ids: list[int] = []
            for number, above in enumerate(tree):
                parent = ids[above % number] if number and above % 3 else None
                ids.append(_planted(session, parent))
            written = re.sub(r'"(\d+)@"', lambda found: f'"{ids[int(found[1])]}"', written)
            written = written.replace("{who}", str(shop.carl.id))
            asker = Asker(Role.CUSTOMER, ("desk",), shop.carl.id, second_factor=second_factor, at=at)
            book = Rulebook(with_own((("own", written),)) if written else product_policies(), is_own=True)
            extent = book.extent(PERMISSION, asker)
            within = account_queries.ids_within(session=session, extent=extent)
            listed = account_queries.accounts(session=session, ids=within)
            shown = {one.id for one in listed} & set(ids)
            for insert in PLANTED:
                session.execute(text(insert), {"ids": ids, "who": shop.alice.id})
            held = {one.account_id for one in hold_queries.holds(session=session, limit=500, within=within)}
            brought = {one.account_id for one in import_queries.imports(session=session, limit=500, within=within)}
            single = {one for one in ids if book.answer_on(PERMISSION, asker, _path(ids, tree, one)).permit}
            assert shown == single, written
            assert held & set(ids) == single, "holds are those of the accounts that are shown"
            assert brought & set(ids) == single, "so are imports"
            seen.add(len(shown) * 10 // len(ids))
            session.rollback()

    holds()
    assert {0, 10} < seen, "some saw nothing, some everything, and some a part"


PLANTED = (
    "INSERT INTO hold (account_id, amount, currency, placed_at, placed_by)"
    " SELECT unnest(CAST(:ids AS bigint[])), 1, 'EUR', now(), :who",
    "INSERT INTO import (account_id, state, file_name, size_bytes, sha256, created_at, created_by, changed_at)"
    " SELECT unnest(CAST(:ids AS bigint[])), 'cancelled', 'a.csv', 1, '', now(), :who, now()",
)


def test_an_account_that_is_withheld_is_withheld_from_its_holds_imports_and_reconciliations(shop: Shop):
    """A policy withholds an account from an accountant: what is of it is not there, what is of others is."""
    alice, ids = shop.alice, shop.ids
    dana = add_person(shop.where, Role.ACCOUNTANT, "dana")
    move(shop.where, ids["Client"], ids["Bank"], 100_00)
    made: dict[str, dict[str, int]] = {"Bank": {}, "Client": {}}
    for name, found in made.items():
        held = {"account_id": ids[name], "amount": "1.00", "currency": "EUR", "description": f"held {name}"}
        file = {"account_id": str(ids[name]), "file": (io.BytesIO(b"Date;Label;Amount\n"), f"{name}.csv")}
        begun = {"date": "2026-11-20", "balance": "0.00"}
        if name == "Client":
            move(shop.where, ids["Bank"], ids["Client"], 9_00)
        for kind, answer in (
            ("holds", alice.api("POST", "/holds", json=held)),
            ("imports", alice.api("POST", "/imports", data=file, content_type="multipart/form-data")),
            ("reconciliations", alice.api("POST", f"/accounts/{ids[name]}/reconciliations", json=begun)),
        ):
            assert answer.status_code in {201, 202}, f"{kind} {name}: {answer.text}"
            found[kind] = answer.json["id"]
    _decide(alice, f'forbid (principal in Role::"accountant", action, resource in Account::"{ids["Bank"]}");')
    for kind in ("holds", "imports"):
        listed = {one["id"] for one in dana.api("GET", f"/{kind}").json["data"]}
        assert listed == {made["Client"][kind]}, kind
        assert {one["id"] for one in alice.api("GET", f"/{kind}").json["data"]} > listed, "owners see all"
        page = shop.page(dana, f"/{kind}?all=1").text
        assert "Bank" not in page and "Client" in page, kind
    for name, status in (("Bank", 404), ("Client", 200)):
        for kind, one in made[name].items():
            assert dana.api("GET", f"/{kind}/{one}").status_code == status, (kind, name)
            assert shop.page(dana, f"/{kind}/{one}").status_code == status, (kind, name)
        where = f"/accounts/{ids[name]}/reconciliations"
        assert dana.api("GET", where).status_code == shop.page(dana, where).status_code == status
    bank, slug = made["Bank"], shop.where.slug
    for path in (f"holds/{bank['holds']}/release", f"imports/{bank['imports']}/cancellation"):
        assert dana.post(f"/t/{slug}/{path}", {}).status_code == 404, path
    assert dana.api("DELETE", f"/imports/{bank['imports']}").status_code == 404
    assert dana.api("DELETE", f"/reconciliations/{bank['reconciliations']}").status_code == 404
    taken = {"to_account_id": ids["Bank"], "description": "x"}
    assert dana.api("POST", f"/holds/{made['Client']['holds']}/capture", json=taken).status_code == 404
    held = {"account_id": ids["Bank"], "amount": "1.00", "currency": "EUR", "description": "x"}
    assert dana.api("POST", "/holds", json=held).status_code == 404
    # Whoever may see an account and not book on it places no hold there, which would be booked.
    _decide(
        alice,
        'forbid (principal in Role::"accountant", action == Action::"ledger:entries:write",'
        f' resource in Account::"{ids["Bank"]}");',
    )
    assert dana.api("GET", f"/holds/{bank['holds']}").status_code == 200
    refused = dana.api("POST", "/holds", json=held)
    assert (refused.status_code, refused.json["policies"]) == (403, ["workspace"]), refused.text
    assert dana.api("POST", f"/holds/{bank['holds']}/release").status_code == 403


def _decide(alice: Person, policies: str) -> None:
    """Let these policies of the workspace decide."""
    store = "/policy-stores/workspace"
    written = alice.api("PUT", f"{store}/draft", json={"schema_text": "", "policies": policies})
    assert written.status_code == 200, written.text
    assert alice.api("POST", f"{store}/versions/{written.json['number']}/activation", json={}).status_code == 200


def _planted(session: Session, parent: int | None) -> int:
    """Put a bare account below another; the rules of its commands are not what is looked at."""
    columns = (
        "INSERT INTO account (kind, name, currency, parent_id, created_at) VALUES ('asset', 'A', 'EUR', :up, now())"
    )
    return session.scalar(text(f"{columns} RETURNING id"), {"up": parent}) or 0


def _path(ids: list[int], tree: list[int], one: int) -> list[int]:
    """Return an account and all above it."""
    number = ids.index(one)
    above = number and tree[number] % 3
    return [one, *(_path(ids, tree, ids[tree[number] % number]) if above else [])]


def test_who_may_book_on_some_accounts_books_on_those_alone(shop: Shop):
    ids, carl = shop.ids, shop.carl
    assert shop.share("Client", carl, may="book").status_code == 201
    own, other = [ids["Client"], ids["Deposit"]], [ids["Client"], ids["Bank"]]
    made = carl.api("POST", "/entries", json=_entry(own, 10))
    assert made.status_code == 201, made.text
    for accounts in (other, [ids["Client"], 999_999]):
        refused = carl.api("POST", "/entries", json=_entry(accounts, 10))
        assert refused.status_code == 403, "an account that is not there is one that is not shared"
        assert "only on certain accounts" in refused.json["detail"]
    entry, tag = made.json["id"], {"If-Match": made.headers["ETag"]}
    assert carl.api("PUT", f"/entries/{entry}", json=_entry(other, 10), headers=tag).status_code == 403
    assert (
        carl.api("PUT", f"/entries/{shop.seen}", json=_entry(own, 10), headers={"If-Match": '"v1"'}).status_code == 403
    )
    assert carl.api("DELETE", f"/entries/{shop.unseen}", headers={"If-Match": '"v1"'}).status_code == 404
    batch = {"entries": [_entry(own, 5), _entry(other, 5)], "atomic": False}
    assert [one["status"] for one in carl.api("POST", "/entries/batch", json=batch).json["data"]] == [201, 403]
    assert carl.api("POST", "/entries/batch", json=batch | {"atomic": True}).status_code == 403
    assert shop.page(carl, f"/entries/{shop.seen}/edit").status_code == 403
    form = shop.page(carl, "/entries/new").text
    assert "Deposit" in form and "Bank" not in form
    assert 'href="' in form and "Secret" not in form
    posted = _form(own, "7.00")
    path = f"/t/{shop.where.slug}/entries"
    assert carl.post(path, posted).status_code == 303
    assert carl.post(path, _form(other, "7.00")).status_code == 422
    assert carl.api("POST", "/exchanges", json={}).status_code == 403
    assert carl.api("OPTIONS", "/entries/batch").status_code == 200, "what writes nothing need not be weighed"
    assert carl.api("DELETE", f"/entries/{entry}", headers=tag).status_code == 204


def test_what_becomes_another_entry_after_it_was_weighed_is_not_changed(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """The steps of a race: weighed, changed by somebody else onto other accounts, then changed as that version."""
    ids, carl = shop.ids, shop.carl
    assert shop.share("Client", carl, may="book").status_code == 201
    own, other = [ids["Client"], ids["Deposit"]], [ids["Bank"], ids["Secret"]]
    entry = carl.api("POST", "/entries", json=_entry(own, 10)).json["id"]

    def weigh(*drafts: Any) -> None:
        weighing.weigh(*drafts)
        if len(drafts) > 1:
            monkeypatch.undo()
            with ThreadPoolExecutor(1) as beside:
                asked = {"json": _entry(other, 10), "headers": {"If-Match": '"v1"'}}
                moved = beside.submit(shop.alice.api, "PUT", f"/entries/{entry}", **asked).result()
            assert moved.status_code == 200, moved.text

    monkeypatch.setattr(api, "weigh", weigh)
    answer = carl.api("PUT", f"/entries/{entry}", json=_entry(own, 11), headers={"If-Match": '"v2"'})
    assert answer.status_code == 412, answer.text
    lines = shop.alice.api("GET", f"/entries/{entry}").json["postings"]
    assert {line["account_id"] for line in lines} == set(other)


def test_who_may_book_up_to_an_amount_books_no_more_by_any_way(app: Flask, shop: Shop):
    """Every way to book and to change what is booked, tried by a person limited to an amount; then to nothing."""
    ids, carl = shop.ids, shop.carl
    both = [ids["Bank"], ids["Client"]]
    role = {
        "name": "till",
        "title": "Till",
        "permissions": ["ledger:entries:write", "ledger:entries:reverse"],
        "conditions": {"amount": "100.00", "currency": "EUR"},
    }
    mixed = role | {"permissions": ["ledger:entries:read"]}
    assert shop.alice.api("POST", "/access/roles", json=mixed).status_code == 422
    assert shop.alice.api("POST", "/access/roles", json=role).status_code == 201
    holders = {"person_ids": [str(carl.id)]}
    assert shop.alice.api("PUT", "/access/roles/till/members", json=holders).status_code == 200
    made = carl.api("POST", "/entries", json=_entry(both, 100))
    assert made.status_code == 201, made.text
    refused = carl.api("POST", "/entries", json=_entry(both, 100.01))
    assert refused.status_code == 403
    assert "only up to 100.00 EUR" in refused.json["detail"]
    entry, tag = made.json["id"], {"If-Match": made.headers["ETag"]}
    assert carl.api("PUT", f"/entries/{entry}", json=_entry(both, 101), headers=tag).status_code == 403
    large = move(shop.where, ids["Bank"], ids["Client"], 10_001)
    assert carl.api("PUT", f"/entries/{large}", json=_entry(both, 1), headers={"If-Match": '"v1"'}).status_code == 403
    assert carl.api("DELETE", f"/entries/{large}", headers={"If-Match": '"v1"'}).status_code == 403
    assert carl.api("POST", f"/entries/{large}/reversal", json={}).status_code == 403
    assert carl.api("POST", f"/entries/{entry}/reversal", json={}).status_code == 201
    assert carl.api("POST", "/entries/batch", json={"entries": [_entry(both, 101)]}).status_code == 403
    path = f"/t/{shop.where.slug}/entries"
    answer = carl.post(path, _form(both, "100.01"))
    assert answer.status_code == 422 and "only up to 100.00 EUR" in answer.text
    assert carl.post(f"{path}/{large}/deletion", {"version": "1"}).status_code == 403
    assert carl.post(f"{path}/{large}/reversal").status_code == 403
    events = shop.alice.api("GET", "/audit-events").json["data"]
    assert "access.refused" in {one["action"] for one in events}
    # Limited to nothing: no route of these permissions writes.
    nothing = {key: role[key] for key in ("title", "permissions")} | {"conditions": {"amount": "0", "currency": "EUR"}}
    assert shop.alice.api("PUT", "/access/roles/till", json=nothing).status_code == 200
    robin = Caller(carl)
    for call in calls(app):
        permission = getattr(app.view_functions[call.rule.endpoint], "permission", None)
        if permission not in BOOKS or call.method == "GET":
            continue
        address = re.sub(r"<[^>]*slug>", shop.where.slug, call.rule.rule)
        address = re.sub(r"<uuid:[^>]+>", str(UUID(int=7)), address)
        address = re.sub(r"<[^>]+>", str(large), address)
        before = shop.alice.api("GET", "/entries").json
        robin.call(call, address, body=_entry(both, 1), form=_form(both, "1.00"))
        assert shop.alice.api("GET", "/entries").json == before, f"{call} wrote"


def test_policies_of_the_workspace_withhold_accounts_and_amounts_wherever_they_count(shop: Shop):
    ids, alice = shop.ids, shop.alice
    carl = shop.carl
    assert alice.api("PUT", f"/members/{carl.id}", json={"role": "member"}).status_code == 200
    scope = 'principal in Role::"member"'
    policies = f"""
        @id("payroll") forbid ({scope}, action in Action::"*:read", resource in Account::"{ids["Secret"]}");
        @id("large") forbid ({scope}, action, resource) when {{ context has amount && context.amount > 5000 }};"""
    book = Rulebook(with_own((("workspace", policies),), validated=True), is_own=True)
    asker = Asker(Role.MEMBER, (), carl.id)
    extent = book.extent(PERMISSION, asker)
    assert (extent.is_all, extent.withheld, extent.forbids) == (True, frozenset({ids["Secret"]}), ("payroll",))
    assert book.forbids_amounts(Permission.LEDGER_ENTRIES_WRITE, asker) == ("large",)
    assert book.extent(Permission.LEDGER_ENTRIES_WRITE, replace(asker, amount=("EUR", 5001))).is_empty
    with shop.where.begin() as session:
        assert ids["Secret"] not in (account_queries.ids_within(session=session, extent=extent) or ())
    for wrong in (
        'permit (principal, action, resource) when { resource in Account::"1" };',
        'permit (principal, action == Action::"ledger:accounts:read", resource == Account::"1");',
    ):
        with pytest.raises(PoliciesRefused, match="Correct what is marked"):
            with_own((("workspace", wrong),), validated=True)


def test_a_limit_on_amounts_counts_however_and_wherever_it_is_written():
    asker, write = Asker(Role.MEMBER, (), UUID(int=7)), Permission.LEDGER_ENTRIES_WRITE
    for scope in ("resource", 'resource in Account::"7"'):
        for limit in (
            'context has amount && context["amount"] > 5',
            'context has currency && context . currency == "X"',
        ):
            text = f'@id("large") forbid (principal in Role::"member", action, {scope}) when {{ {limit} }};'
            book = Rulebook(with_own((("workspace", text),), validated=True), is_own=True)
            assert book.weighs and book.forbids_amounts(write, asker) == ("large",), text
            assert book.forbids_amounts(Permission.LEDGER_ENTRIES_READ, asker) == (), "who reads books nothing"
    text = f'@id("till") permit (principal, action == Action::"{write.value}", resource)'
    for limit in ("unless { context has amount && context.amount > 5 }", "when { !(context has amount) }"):
        book = Rulebook(with_own((("workspace", f"{text} {limit};"),), validated=True), is_own=True)
        assert book.forbids_amounts(write, replace(asker, role=Role.CUSTOMER)) == ("till",), limit
        assert book.forbids_amounts(write, asker) == (), "the role permits it whatever the amount"
    customer = replace(asker, role=Role.CUSTOMER)
    for limit in (
        "context has amount && context.amount <= 5",
        'context has currency && ["EUR", "CHF"].contains(context.currency)',
        'context has currency && "EUR" == context["currency"]',
    ):
        book = Rulebook(with_own((("workspace", f"{text} when {{ {limit} }};"),), validated=True), is_own=True)
        assert book.reach(write, customer).is_whole, "who may up to an amount is let in, to be weighed"
        assert book.reach(Permission.LEDGER_ENTRIES_READ, customer).is_empty


def test_a_name_that_no_account_has_reaches_none_in_lists_as_in_single_checks():
    asker = Asker(Role.CUSTOMER, (), UUID(int=7))
    for name in ("007", "٧", "9" * 20, "0", "unnamed"):
        text = f'permit (principal, action == Action::"{PERMISSION.value}", resource in Account::"{name}");'
        book = Rulebook(with_own((("workspace", text),), validated=True), is_own=True)
        assert not book.answer_on(PERMISSION, asker, [7]).permit
        assert book.extent(PERMISSION, asker).is_empty, name


def test_what_is_forbidden_of_the_workspace_is_so_of_its_accounts_however_it_is_written():
    for scope in (
        'is Workspace in Workspace::"here"',
        '== Workspace :: "here"',
        "is Workspace",
        'in Workspace::"here"',
    ):
        text = f'@id("closed") forbid (principal, action in Action::"*:read", resource {scope});'
        book = Rulebook(with_own((("workspace", text),), validated=True), is_own=True)
        assert book.extent(PERMISSION, Asker(Role.MEMBER)).policies == ("closed",), scope


def test_what_is_withheld_from_somebody_they_neither_see_by_another_page_nor_give_on(shop: Shop):
    ids, alice, carl = shop.ids, shop.alice, shop.carl
    assert alice.api("PUT", f"/members/{carl.id}", json={"role": "admin"}).status_code == 200

    def withhold(act: str) -> None:
        scope = f'principal in Role::"admin", action in Action::"{act}", resource in Account::"{ids["Secret"]}"'
        policies = {"schema_text": "", "policies": f'@id("payroll") forbid ({scope});'}
        number = alice.api("PUT", "/policy-stores/workspace/draft", json=policies).json["number"]
        activation = f"/policy-stores/workspace/versions/{number}/activation"
        assert alice.api("POST", activation, json={}).status_code == 200

    withhold(PERMISSION.value)
    browser, base = carl.browser(), f"/t/{shop.where.slug}"
    assert browser.get(f"{base}/accounts/{ids['Secret']}").status_code == 404, "its entries are withheld"
    assert browser.get(f"{base}/accounts/{ids['Client']}").status_code == 200
    assert browser.get(f"{base}/audit-events?object_type=entry").status_code == 403, "the trail tells every entry"
    for path in ("/audit-events", "/audit-events/export?format=csv", "/audit-events/1"):
        told = carl.api("GET", path)
        assert (told.status_code, told.json.get("policies")) == (403, ["payroll"]), path
    home = browser.get(f"{base}/")
    assert 'id="review"' in shop.page(alice, "/").text
    assert home.status_code == 200 and 'id="review"' not in home.text, "it shows entries of any account"
    to_alice = {"person_id": str(alice.id), "until": UNTIL}
    assert carl.api("POST", f"/accounts/{ids['Secret']}/shares", json=to_alice).status_code == 422
    assert carl.api("POST", f"/accounts/{ids['Client']}/shares", json=to_alice).status_code == 201
    grant = to_alice | {"permissions": [PERMISSION.value]}
    for withheld in (PERMISSION.value, "trail:events:read"):
        told = carl.api("POST", "/access/grants", json=grant | {"permissions": [withheld]})
        assert told.status_code == 422, withheld
    assert carl.api("POST", "/access/grants", json=grant | {"permissions": ["jobs:jobs:read"]}).status_code == 201
    withhold("*:read")
    assert browser.get(f"{base}/").headers["Location"] == f"{base}/entries", "the dashboard counts every account"
    for path in ("access/explanation", "access/roles", "access/grants"):
        assert "Client" in browser.get(f"{base}/{path}").text and "Secret" not in browser.get(f"{base}/{path}").text, (
            path
        )
    assert browser.get(f"{base}/accounts/{ids['Secret']}/sharing").status_code == 404
    assert carl.api("GET", f"/accounts/{ids['Secret']}/shares").status_code == 404
    assert carl.api("GET", f"/access/explanation?account_id={ids['Secret']}&person_id={carl.id}").status_code == 404
    assert carl.api("GET", f"/access/explanation?account_id={ids['Deposit']}&person_id={carl.id}").status_code == 200


def test_nobody_takes_the_limit_off_a_role_that_gives_what_they_may_not(shop: Shop):
    till = {"title": "Till", "permissions": ["ledger:entries:write"], "conditions": {"account_id": shop.ids["Client"]}}
    desk = {"title": "Desk", "permissions": ["access:roles:read", "access:roles:write"]}
    for name, role in (("till", till), ("desk", desk)):
        assert shop.alice.api("POST", "/access/roles", json=role | {"name": name}).status_code == 201
        holders = {"person_ids": [str(shop.carl.id)]}
        assert shop.alice.api("PUT", f"/access/roles/{name}/members", json=holders).status_code == 200
    assert shop.carl.api("PUT", "/access/roles/till", json=till | {"conditions": {}}).status_code == 422
    assert shop.carl.api("PUT", "/access/roles/till", json=till | {"title": "The till"}).status_code == 200
    assert shop.alice.api("PUT", "/access/roles/till", json=till | {"conditions": {}}).status_code == 200


def test_a_refusal_among_many_is_not_what_let_the_others_in_and_no_key_tells_what_another_booked(shop: Shop):
    ids, alice, carl = shop.ids, shop.alice, shop.carl
    assert shop.share("Client", carl, may="book").status_code == 201
    own, other = [ids["Client"], ids["Deposit"]], [ids["Bank"], ids["Secret"]]
    batch = {"entries": [_entry(other, 5), _entry(own, 5)], "atomic": False}
    assert [one["status"] for one in carl.api("POST", "/entries/batch", json=batch).json["data"]] == [403, 201]
    events = alice.api("GET", f"/audit-events?actor={carl.email}").json["data"]
    by_action = {one["action"]: one["decision_id"] for one in events}
    assert len(set(by_action.values())) == 2 and {"access.refused", "entry.posted"} <= set(by_action), by_action
    key = {"Idempotency-Key": "monday"}
    assert alice.api("POST", "/entries", json=_entry(other, 9), headers=key).status_code == 201
    assert alice.api("POST", "/entries", json=_entry(other, 9), headers=key).status_code == 201
    refused = carl.api("POST", "/entries", json=_entry(other, 9), headers=key)
    assert (refused.status_code, refused.json["code"]) == (422, "idempotency_key_reused")


def _entry(accounts: list[int], amount: float) -> dict[str, Any]:
    lines = [{"account_id": accounts[0], "amount": f"-{amount:.2f}", "currency": "EUR"}]
    lines.append({"account_id": accounts[1], "amount": f"{amount:.2f}", "currency": "EUR"})
    return {"date": "2026-11-20", "description": "Booked", "postings": lines}


def _form(accounts: list[int], amount: str) -> dict[str, Any]:
    lines = {"account_id": list(map(str, accounts)), "amount": [f"-{amount}", amount], "memo": ["", ""]}
    return {"date": "2026-11-20", "description": "Booked", **lines}
