"""A workspace with something of everything in it, so that every page has a thing to show.

`words` says what is written into each text field: plain words, or what an attacker would write.
"""

import io
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tenants.demo import certification
from tenants.demo.commands import tell_story
from tenants.money.ledger.commands import close_entry
from tenants.office.policies.journal import JOURNAL
from tests import hands
from tests.cast import STAGE, Cast, Person, Workspace, raise_curtain
from webapp import worker
from webapp.access.permissions import Role
from webapp.backups import erasures
from webapp.identity import addresses
from webapp.identity.links import make_link
from webapp.kernel.clock import utc_now
from webapp.kernel.ids import new_id, new_secret
from webapp.mail.queries import written_mails
from webapp.settings import Settings
from webapp.tenancy import commands as tenancy
from webapp.tenancy.provisioning import create_tenant
from webapp.web.state import KEY

Words = Callable[[str, int], str]
"""What is written into a field: told the field's name and the most characters that it takes."""

TODAY = date(2026, 11, 20)
OK, SEE_OTHER = 200, 303
PROOF = ("v" * 64, urlsafe_b64encode(sha256(b"v" * 64).digest()).rstrip(b"=").decode())
"""The verifier and the challenge of a program of somebody else (RFC 7636)."""
MAILED = {"magic": "recovery.mailed_link", "reset": "recovery.new_password", "verify": "addresses.verification"}
"""Purpose of a link of a mail to the page that it opens."""


def plain(field_name: str, _length: int) -> str:
    """Write the field's own name."""
    return field_name.capitalize()


@dataclass(slots=True)
class Furnished:
    """The cast of a filled workspace, and what the addresses of its pages are made from."""

    cast: Cast
    words: Words = plain
    ids: dict[str, list[Any]] = field(default_factory=dict)
    """The name of an address's part to the values that are worth a look."""
    secrets: dict[str, list[str]] = field(default_factory=dict)
    """The endpoint of a page behind a secret link to its secrets."""
    demo_slug: str = ""
    making: str = ""
    consent: str = ""
    """Where a program of somebody else sends people to ask for their consent."""

    @property
    def acme(self) -> Workspace:
        return self.cast.acme

    @property
    def alice(self) -> Person:
        return self.cast.alice

    @property
    def carol(self) -> Person:
        return self.cast.carol

    def made(self, path: str, status: int = 201, **body: Any) -> Any:
        """Make a thing over the API and return what the API says of it."""
        answer = self.alice.api("POST", path, **(body if "data" in body else {"json": body}))
        assert answer.status_code == status, f"{path}: {answer.text}"
        return answer.json

    def posted(self, path: str, *, status: int = SEE_OTHER, **form: Any) -> None:
        """Post a form of the workspace."""
        answer = self.alice.post(f"/t/{self.acme.slug}{path}", form)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[-2000:]}"

    def bring(self, content: str, account: int, name: str, **form: str) -> int:
        """Upload a statement, run the jobs, return the import's id."""
        data = {"account_id": str(account), "file": (io.BytesIO(content.encode()), name), **form}
        made = self.made("/imports", 202, data=data, content_type="multipart/form-data")
        work(self.acme)
        return int(made["id"])

    def keep(self, name: str, *values: Any) -> None:
        """Keep values of one part of addresses."""
        self.ids.setdefault(name, []).extend(values)


def work(workspace: Workspace) -> None:
    """Run the workspace's queued jobs until none is due."""
    services = workspace.app.extensions[KEY]
    worker.prepare(services.settings)
    try:
        while True:
            with services.database.platform() as session:
                ids = session.scalars(
                    text(
                        "SELECT id FROM job WHERE tenant_id = :tenant AND state = 'queued' AND available_at <= now()"
                        " ORDER BY created_at"
                    ),
                    {"tenant": workspace.ref.id},
                ).all()
            if not ids:
                return
            for job_id in ids:
                worker.perform(str(job_id))
    finally:
        worker.release()


def furnish(app: Flask, owner: Engine, settings: Settings, words: Words = plain) -> Furnished:
    """Fill Acme with something of everything; Bravo stays empty."""
    made = Furnished(raise_curtain(app, owner), words)
    with made.acme.begin() as session:
        tell_story(session=session, actor=made.alice.actor, at=utc_now(), today=TODAY)
    _books(made)
    _imports(made)
    _office(made)
    _policies(made)
    _platform(made, owner, settings)
    return made


def _books(made: Furnished) -> None:
    words = made.words
    bank = made.made(
        "/accounts",
        name=words("account name", 200),
        kind="asset",
        currency="EUR",
        code=words("code", 40),
        number=words("number", 64),
    )["id"]
    cost = made.made("/accounts", name=words("category name", 200), kind="expense", currency="EUR")["id"]
    shut = made.made(
        "/accounts",
        name=words("closed account", 200),
        kind="asset",
        currency="JPY",
        opened_on="2026-01-01",
        closed_on="2026-06-30",
    )["id"]

    def entry(amounts: tuple[int, ...], day: str = "2026-11-02") -> int:
        lines = [(bank if n == 0 else cost, amount) for n, amount in enumerate(amounts)]
        return int(
            made.made(
                "/entries",
                date=day,
                description=words("description", 1000),
                counterparty=words("counterparty", 300),
                note=words("note", 4000),
                rate=words("rate", 40),
                postings=[
                    {"account_id": account, "amount": f"{amount}.00", "currency": "EUR", "memo": words("memo", 1000)}
                    for account, amount in lines
                ],
            )["id"]
        )

    plain_one, split, edited, closed, undone, gone = (
        entry((-12, 12)),
        entry((-30, 10, 20)),
        *(entry((-5, 5)) for _ in range(4)),
    )
    body = made.alice.api("GET", f"/entries/{edited}").json
    changed = {name: body[name] for name in ("date", "description", "counterparty", "note")} | {
        "note": words("note of a later version", 4000),
        "postings": [
            {name: line[name] for name in ("account_id", "amount", "currency", "memo")} for line in body["postings"]
        ],
    }
    answer = made.alice.api("PUT", f"/entries/{edited}", json=changed, headers={"If-Match": '"v1"'})
    assert answer.status_code == 200, answer.text
    with made.acme.begin() as session:
        close_entry(session=session, actor=made.alice.actor, at=utc_now(), entry_id=closed)
    reversal = made.made(f"/entries/{undone}/reversal", description=words("reversal", 1000))["id"]
    made.posted(f"/entries/{gone}/deletion", version="1")
    made.posted("/entries/views", name=words("view name", 100), q=words("search", 200), shared="1")
    for _ in range(3):
        hold = made.made("/holds", account_id=1, amount="3.00", currency="EUR", description=words("hold", 1000))["id"]
        made.keep("hold_id", hold)
    made.made(f"/holds/{made.ids['hold_id'][1]}/capture", to_account_id=cost, description=words("capture", 1000))
    made.made(f"/holds/{made.ids['hold_id'][2]}/release", 200)
    for year in (2022, 2023):
        closing = made.made(
            "/period-closings", starts=f"{year}-01-01", ends=f"{year}-12-31", note=words("note of a closing", 1000)
        )["id"]
    made.made(f"/period-closings/{closing}/reopening")
    for account, day, ticked in ((1, "2024-12-31", True), (bank, "2026-11-20", False)):
        begun = made.made(f"/accounts/{account}/reconciliations", date=day, balance="1.00")["id"]
        made.keep("reconciliation_id", begun)
        if ticked:
            assert made.alice.api("POST", f"/reconciliations/{begun}/ticks", json={"ticked": True}).status_code == 200
            made.made(f"/reconciliations/{begun}/completion", adjustment_account_id=cost)
    made.keep("account_id", bank, cost, shut, 1)
    made.keep("entry_id", plain_one, split, edited, closed, undone, reversal, gone)


def _imports(made: Furnished) -> None:
    bank = made.ids["account_id"][0]
    who, what = (made.words(name, 100).replace('"', '""') for name in ("payee of a row", "text of a row"))
    name = made.words("statement", 60).replace("/", "") + ".csv"

    def row(day: str, amount: str, extra: str = "") -> str:
        return f'{day},"{who}{extra}","{what}",{amount},EUR\n'

    head = "Date,Payee,Description,Amount,Currency\n"
    first = head + row("2026-03-02", "-12.34") + row("2026-03-05", "2500.00") + row("2026-03-06", "-9.99", " two")
    published = made.bring(first, bank, name, publish="auto")
    review = made.bring(
        head
        + row("2026-03-02", "-12.34")
        + row("2026-03-04", "-9.99", " two")
        + row("2026-02-30", "-1.00")
        + row("2026-03-09", "abc")
        + row("2026-03-10", "-7.00"),
        bank,
        name,
    )
    cancelled = made.bring(head + row("2026-04-02", "-3.00"), bank, name)
    made.made(f"/imports/{cancelled}/cancellation", 202)
    left = made.bring(head + row("2026-05-02", "-4.00") + row("2026-05-03", "-5.00"), bank, name, publish="auto")
    with made.acme.begin() as session:
        entry_id = session.scalar(text("SELECT min(id) FROM entry WHERE import_id = :id"), {"id": left})
        close_entry(session=session, actor=made.alice.actor, at=utc_now(), entry_id=entry_id)
    made.made(f"/imports/{left}/reversal", 202)
    work(made.acme)
    unmapped = made.bring(f'a,b,c\n1,"{who}",x\n2,"{what}",y\n', bank, name)
    failed = made.bring("\x00\x01\x02", bank, name)
    states = {
        key: made.alice.api("GET", f"/imports/{key}").json["state"]
        for key in (published, review, cancelled, left, unmapped, failed)
    }
    assert list(states.values()) == ["published", "review", "cancelled", "reversed", "needs_mapping", "failed"], states
    made.keep("import_id", *states)


def _office(made: Furnished) -> None:
    words, at = made.words, utc_now()
    made.posted("/tokens", status=201, name=words("token name", 100), days="30", scopes="ledger:read")
    made.posted("/tokens", status=201, name="revoked", days="30", scopes="ledger:read")
    token = made.alice.api("GET", "/tokens").json["data"][0]["id"]
    made.made(f"/tokens/{token}/revocation", 200)
    account = made.made("/service-accounts", name=words("service account", 100).replace("@", ""), role="auditor")["id"]
    token = {"name": words("machine token", 100), "days": "30", "scopes": "ledger:read"}
    made.posted(f"/service-accounts/{account}/tokens", status=201, **token)
    gone = made.made("/service-accounts", name="gone", role="member", note=words("note", 500))["id"]
    made.made(f"/service-accounts/{gone}/disablement", 200)
    made.keep("service_account_id", account, gone)
    for state in ("open", "disabled"):
        uris = ["https://app.example.org/callback"]
        client = made.made("/applications", name=words("application", 100), redirect_uris=uris, scopes=["ledger:read"])
        if state == "open":
            made.consent = (
                f"/oauth/authorize?response_type=code&client_id={client['client_id']}&redirect_uri={uris[0]}"
                f"&scope=ledger:read&state=s&code_challenge={PROOF[1]}&code_challenge_method=S256"
            )
            _let_act(made, client, uris[0])
        else:
            made.made(f"/applications/{client['client_id']}/disablement", 200)
    made.keep("client_id", client["client_id"])
    made.keep("export_id", made.made("/exports", 202, xml=True)["id"])
    work(made.acme)
    made.keep("provider", "nobody")
    made.keep("workspace", made.acme.slug)
    for role in ("member", "auditor"):
        made.posted("/invitations", email=f"{_local(words)}{role[:1]}@{made.acme.slug}.example", role=role)
    work(made.acme)
    database = made.acme.app.extensions[KEY].database
    secret, stranger = new_secret(), new_secret()
    with database.platform() as session:
        for email, one in ((f"new-{made.acme.slug}@example.org", secret), (made.cast.mallory.email, stranger)):
            tenancy.invite(
                session=session,
                actor=made.alice.actor,
                at=at,
                invitation_id=new_id(),
                tenant_id=made.acme.ref.id,
                email=email,
                role=Role.MEMBER,
                secret=one,
            )
        made.secrets["tenancy.invitation"] = [secret, stranger]
        first, link = new_secret(), new_secret()
        make_link(session=session, at=at, secret=first, purpose="first_operator", person_id=None)
        make_link(session=session, at=at, secret=link, purpose="sign_in", person_id=made.alice.id)
        made.secrets["identity.first_operator"] = [first]
        made.secrets["identity.sign_in_link"] = [link]
        for purpose, page in MAILED.items():
            mailed = new_secret()
            make_link(session=session, at=at, secret=mailed, purpose=purpose, person_id=made.alice.id)
            made.secrets[page] = [mailed]
        sides = (new_secret(), new_secret())
        addresses.ask_to_change(
            session=session,
            actor=made.alice.actor,
            at=at,
            change_id=new_id(),
            job_id=new_id(),
            person_id=made.alice.id,
            old=made.alice.email,
            new=f"{_local(words)}@{made.acme.slug}.example",
            secrets=sides,
        )
        made.secrets["addresses.confirmation"] = list(sides)
        made.keep("purpose", "magic", "reset")
    preferences = {
        "name": words("name of a person", 200),
        "language": "en",
        "theme": "system",
        "density": "comfortable",
    }
    assert made.alice.post("/profile", preferences).status_code == SEE_OTHER


def _let_act(made: Furnished, client: dict[str, Any], back: str) -> None:
    """Let Alice consent to a program, and the program come for its token."""
    page = made.alice.post(made.consent, {"answer": "yes", "scopes": "ledger:read"}).text
    code = re.findall(r"[?;]code=([^&\"]+)", page)[0]
    sent = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": PROOF[0]}
    auth = (client["client_id"], client["client_secret"])
    assert made.cast.app.test_client().post("/api/oauth/token", data=sent, auth=auth).status_code == OK


def _policies(made: Furnished) -> None:
    words, store = made.words, "shop"
    made.made("/policy-stores", slug=store, name=words("store name", 100))
    made.made("/policy-stores", slug="empty", name="Empty")
    for policies in (certification.POLICIES, f"{certification.POLICIES}\nforbid (principal, action, resource);"):
        texts = {"schema_text": certification.SCHEMA, "policies": policies, "note": words("note of a version", 1000)}
        draft = made.alice.api("PUT", f"/policy-stores/{store}/draft", json=texts)
        assert draft.status_code == 200, draft.text
        if draft.json["number"] == 1:
            put = [
                {"type": "record", "id": words("id of a record", 500), "attributes": {"status": words("status", 200)}}
            ]
            made.made(f"/policy-stores/{store}/entities", 200, put=put)
            made.made(f"/policy-stores/{store}/versions/1/activation", 200)
        made.keep("number", draft.json["number"])
    asked = {
        "subject": {"type": "user", "id": words("id of a subject", 500)},
        "action": {"name": "read"},
        "resource": {
            "type": "record",
            "id": words("id of a record", 500),
            "properties": {"status": words("status", 200)},
        },
    }
    address = f"/t/{made.acme.slug}/access/{store}/access/v1/evaluation"
    headers = {"Authorization": f"Bearer {made.alice.token}"}
    assert made.acme.app.test_client().post(address, json=asked, headers=headers).status_code == 200
    made.acme.app.extensions[JOURNAL].flush()
    made.keep("store", store)
    made.keep("access_role", "accountant")


def _platform(made: Furnished, owner: Engine, settings: Settings) -> None:
    olga, slug = made.cast.olga, made.acme.slug
    asked = {
        "name": made.words("workspace name", 200),
        "slug": f"third-{slug}"[:40].rstrip("-"),
        "base_currency": "EUR",
        "owner_email": made.alice.email,
    }
    answer = olga.post("/workspaces", asked)
    assert answer.status_code == SEE_OTHER, answer.text
    hands.work(settings, "tenancy.create")
    demo = create_tenant(
        owner,
        tenant_id=uuid4(),
        slug=f"demo-{slug}"[:40].rstrip("-"),
        name="Demo",
        base_currency="EUR",
        at=utc_now(),
        is_demo=True,
    )
    database = made.acme.app.extensions[KEY].database
    with database.platform() as session:
        tenancy.add_member(
            session=session, actor=STAGE, at=utc_now(), tenant_id=demo.id, person_id=made.alice.id, role=Role.OWNER
        )
        session.execute(
            text(
                "UPDATE job SET state = 'parked', attempts = 3, error = :error WHERE id = (SELECT id "
                "FROM job WHERE tenant_id = :tenant AND state = 'done' ORDER BY created_at DESC LIMIT 1)"
            ),
            {"tenant": made.acme.ref.id, "error": made.words("reason of a job", 500)},
        )
        gone = _keep_certificate(made, session)
    made.keep("erasure_id", gone)
    made.demo_slug = f"demo-{slug}"[:40].rstrip("-")
    made.keep("job_id", answer.headers["Location"].rpartition("/")[2])
    made.keep("name", *[letter.name for letter in written_mails(data_dir=settings.data_dir)[:2]])
    made.making = answer.headers["Location"]


def _keep_certificate(made: Furnished, session: Session) -> UUID:
    """Let Alice and Olga have owned a workspace that is erased."""
    erasure_id, at = new_id(), utc_now()
    before = {"name": made.words("workspace name", 200), "slug": "gone", "rows": {"entry": 12, "account": 3}}
    owners = [made.alice.id, made.cast.olga.id]
    erasures.begin(session=session, at=at, erasure_id=erasure_id, owners=owners, found={"before": before})
    certificate = json.dumps({"at": at.isoformat(), "before": before, "backups_deleted": []})
    kept = json.dumps({"certificate": certificate, "key": "00", "signature": "00"})
    told = {"erasure_id": erasure_id, "name": before["name"], "certificate": kept}
    erasures.finish(session=session, actor=STAGE, at=at, **told)
    return erasure_id


def _local(words: Words) -> str:
    """Return a text that can stand before the @ of an address."""
    return re.sub(r"""[@\s,;:<>()\[\]"\\]""", "", words("email", 60))
