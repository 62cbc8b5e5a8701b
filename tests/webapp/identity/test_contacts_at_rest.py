"""A copy of the database tells nobody's address and nobody's name, whatever they did and whatever was done to them."""

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import Engine, text

from tests.cast import STAGE, Cast
from tests.hands import letters, link_in, submit, work
from tests.webapp.mail.test_smtp import Mailbox, mail_server
from tests.webapp.sso.test_sign_in import Directory, come, directory, known  # noqa: F401
from webapp.identity import people, queries
from webapp.identity.addresses import AddressTaken, replace_address
from webapp.jobs import commands as jobs
from webapp.kernel.clock import utc_now
from webapp.settings import Settings
from webapp.web.state import KEY

PASSWORD = "quite a long password of theirs"


@pytest.fixture(autouse=True)
def _quick(quick_hashes: None) -> None:
    """Compare passwords at little cost."""


def dumped(owner: Engine, schemas: tuple[str, ...]) -> dict[str, str]:
    """Return every row of every table of these schemas as text, by table."""
    tables = text(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = ANY (:schemas) AND c.relkind IN ('r', 'p', 'm')"
    )
    with owner.connect() as connection:
        names = [f'{row[0]}."{row[1]}"' for row in connection.execute(tables, {"schemas": list(schemas)})]
        return {
            name: "\n".join(connection.scalars(text(f"SELECT one::text FROM {name} AS one"))).lower() for name in names
        }


@dataclass(slots=True)
class Canary:
    """Somebody whose addresses and names are found nowhere else."""

    cast: Cast
    settings: Settings
    called: str = field(default_factory=lambda: f"Zoe{uuid4().hex[:8]}")
    words: tuple[str, ...] = field(default_factory=lambda: tuple(f"cn{uuid4().hex[:12]}" for _ in range(2)))

    @property
    def addresses(self) -> list[str]:
        """Return their address until now, and the later one."""
        return [f"{word}@{word}host.example" for word in self.words]

    def post(self) -> None:
        """Let the post run."""
        work(self.settings, "identity.send_link", "identity.send_change", "identity.tell_locked")
        work(self.settings, "mail.send")

    def follow(self, client: FlaskClient, to: str, part: str, **data: str) -> None:
        """Follow the newest link of a kind that was sent to an address."""
        self.post()
        written = [link_in(one) for one in letters(self.settings, to) if part in one.replace("=\r\n", "")]
        link = written[-1]
        assert submit(client, link, link, data).status_code == 303, link

    def come_in(self, mine: FlaskClient, directory: Directory) -> None:  # noqa: F811
        """Be invited, sign in by every way, be guessed at, choose another name and another address."""
        address, later = self.addresses
        stranger = self.cast.app.test_client()
        body = {"email": address, "role": "member"}
        assert self.cast.alice.api("POST", "/invitations", json=body).status_code == 201
        self.follow(mine, address, "/invitations/", name=self.called, password=PASSWORD)
        for _ in range(5):
            for guessed in (address.upper(), f"x{address}"):
                submit(stranger, "/sign-in", "/sign-in", {"email": guessed, "password": "wrong"})
        assert submit(mine, "/profile", "/sign-out").status_code == 303
        signed_in = submit(mine, "/sign-in", "/sign-in", {"email": address, "password": PASSWORD})
        assert signed_in.status_code == 303, "the browser is known, so strangers' guesses do not matter"
        for page in ("/password-reset", "/sign-in-by-mail"):
            submit(stranger, page, page, {"email": address})
        self.follow(stranger, address, "/sign-in-by-mail/")
        submit(mine, "/profile", "/profile", {"name": f"{self.called} B", "language": "fr", "theme": "dark"})
        submit(mine, "/profile/email", "/profile/email/verification")
        claims = {"email": address, "email_verified": True, "name": self.called}
        directory.app.test_client().put(f"/users/{address}", json=claims)
        assert come(self.cast.app.test_client(), directory, address, "/sign-in/with/directory").status_code == 303
        assert submit(mine, "/profile/email", "/profile/email", {"email": later}).status_code == 303
        for to in (address, later):
            self.follow(mine, to, "/email-confirmation/")

    def be_found(self) -> UUID:
        """Be somebody whose present address nobody else gets; return their id."""
        address, later = self.addresses
        who = {"actor": STAGE, "at": utc_now()}
        with self.cast.app.extensions[KEY].database.platform() as session:
            assert queries.person_by_email(session=session, email=address) is None
            person = queries.person_by_email(session=session, email=later.upper())
            assert person and (person.email, person.name) == (later, f"{self.called} B")
            new = {"person_id": uuid4(), "email": later.upper(), "name": "Other", "password": None}
            with pytest.raises(people.EmailTaken):
                people.add_person(session=session, **who, **new)
            bob = {"person_id": self.cast.bob.id, "old": self.cast.bob.email, "new": later}
            with pytest.raises(AddressTaken):
                replace_address(session=session, **who, **bob)
        return person.id

    def be_managed(self, person_id: UUID, mine: FlaskClient) -> None:
        """Get another role, act, be read of in the trail, be unreachable, be asked to own a workspace, leave."""
        address, later = self.addresses
        alice, carol = self.cast.alice, self.cast.carol.browser()
        here = f"/t/{self.cast.acme.slug}"
        trail = f"{here}/audit-events"
        changed = alice.api("PUT", f"/members/{person_id}", json={"role": "accountant"})
        assert changed.status_code in {200, 204}, changed.text
        till = {"name": "Till", "kind": "asset", "currency": "EUR"}
        assert submit(mine, f"{here}/accounts/new", f"{here}/accounts", till).status_code == 303
        invited = carol.get(f"{trail}?action=invitation.sent").text
        assert address in invited, "who may read the trail is told whom an invitation was for"
        assert later in carol.get(f"{trail}?action=member.role_changed").text, "and who a member is"
        exported = carol.get(f"{trail}/export?format=csv&actor={later}")
        assert later in exported.text, "and who acted"
        assert carol.get(f"{trail}/export?format=csv&q={address}").status_code == 200
        bounced = Mailbox()
        bounced.answer = f"550 <{later}> is nobody here"
        with mail_server(bounced) as port:
            work(replace(self.settings, smtp_url=f"smtp://127.0.0.1:{port}"), "mail.send")
        asked = {"name": "Canary", "slug": f"w{uuid4().hex[:12]}", "base_currency": "EUR", "owner_email": later}
        assert submit(self.cast.olga.browser(), "/workspaces/new", "/workspaces", asked).status_code == 303
        assert alice.api("DELETE", f"/members/{person_id}").status_code == 204
        gone = carol.get(f"{trail}?action=member.removed").text
        assert self.called in gone and later not in gone, "of who has left it reads the name, not the address of now"


def test_no_table_holds_an_address_or_a_name(
    cast: Cast,
    owner: Engine,
    settings: Settings,
    known: Directory,  # noqa: F811
) -> None:
    canary = Canary(cast, settings)
    mine = cast.app.test_client()
    canary.come_in(mine, known)
    canary.be_managed(canary.be_found(), mine)

    held = dumped(owner, ("platform", cast.acme.ref.schema))
    assert {'platform."person"', 'platform."job"', f'{cast.acme.ref.schema}."audit_event"'} <= held.keys()
    with Redis.from_url(settings.redis_url) as valkey:
        held["Valkey"] = " ".join(f"{key!r} {_value(valkey, key)!r}" for key in valkey.scan_iter()).lower()
    for word in (*canary.words, canary.called.lower()):
        plain = {"in words": word, "in bytes": word.encode().hex()}
        assert {(how, name) for name, rows in held.items() for how, one in plain.items() if one in rows} == set(), word
    for one in canary.addresses:
        guess = sha256(one.encode()).hexdigest()[:16]
        assert [name for name, rows in held.items() if guess in rows] == [], "nor what can be made of every address"


def test_what_a_failed_job_says_of_itself_names_no_address() -> None:
    said = "SMTPRecipientsRefused: {'nour@example.org': (550, b'5.1.1 <nour@example.org>: unknown')}"
    assert "nour" not in jobs.without_addresses(said)
    assert jobs.without_addresses("the disk is full at 3") == "the disk is full at 3"


def _value(valkey: "Redis[Any]", key: bytes) -> Any:
    reads = {
        b"string": valkey.get,
        b"hash": valkey.hgetall,
        b"set": valkey.smembers,
        b"list": lambda name: valkey.lrange(name, 0, -1),
        b"zset": lambda name: valkey.zrange(name, 0, -1),
    }
    return reads.get(valkey.type(key), lambda name: name)(key)
