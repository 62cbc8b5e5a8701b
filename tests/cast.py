"""The cast of every test: who is who in which workspace, and how each of them calls the product.

Alice owns Acme; Dave is its accountant, Bob a member, Carol the auditor. Mallory owns Bravo and has no place in Acme.
Operator Olga runs the installation. Both workspaces are filled by the same acts, so that their ids are equal.
"""

import itertools
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from webapp.access.permissions import SCOPES, Role
from webapp.identity import people, sessions, tokens
from webapp.kernel.actor import Actor
from webapp.kernel.db import Database, TenantRef
from webapp.tenancy import commands as tenancy
from webapp.tenancy.provisioning import create_tenant
from webapp.web.state import KEY

STAGE = Actor.system("stage", via="cli")
_numbers = itertools.count(1)


@dataclass(slots=True)
class Person:
    """A person with a browser session and, where they are a member, an API token."""

    app: Flask
    id: UUID
    email: str
    session_secret: str = ""
    workspace: "Workspace | None" = None
    token: str = ""

    @property
    def actor(self) -> Actor:
        """Return the actor for direct calls of commands."""
        return Actor(person_id=self.id, label="", via="session")

    def sign_in(self, session: Session) -> None:
        """Open a session that lasts a day; for ten minutes nothing asks for a confirmation."""
        self.session_secret = secrets.token_urlsafe(32)
        sessions.open_session(
            session=session,
            actor=STAGE,
            at=datetime.now(UTC),
            session_id=uuid4(),
            secret=self.session_secret,
            person_id=self.id,
            life=timedelta(days=1),
            user_agent="test",
        )

    def browser(self) -> FlaskClient:
        """Return a signed-in browser without JavaScript; form tokens are sent along (see `post_form`)."""
        client = self.app.test_client()
        client.set_cookie("comptoir", self.session_secret)
        return client

    def post(self, path: str, data: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        """Post a form as a browser without JavaScript does: with the form token of a page that was read before."""
        client = self.browser()
        page = client.get("/profile").get_data(as_text=True)
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert found, "the profile page has no form token"
        return client.post(path, data={"csrf_token": found[1], **(data or {})}, **kwargs)

    def api(self, method: str, path: str, **kwargs: Any) -> Any:
        """Call the JSON API of the person's workspace; `path` begins after /api/v1/t/<slug>."""
        assert self.workspace is not None
        headers = {"Authorization": f"Bearer {self.token}"} | kwargs.pop("headers", {})
        if method == "POST" and "Idempotency-Key" not in headers:
            headers["Idempotency-Key"] = secrets.token_hex(12)
        url = f"/api/v1/t/{self.workspace.slug}{path}"
        return self.app.test_client().open(url, method=method, headers=headers, **kwargs)


@dataclass(slots=True)
class Workspace:
    """One workspace of the cast."""

    app: Flask
    ref: TenantRef
    slug: str
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def owner(self) -> Person:
        """Return the workspace's owner."""
        return self.people["owner"]

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Open one transaction bound to this workspace."""
        database: Database = self.app.extensions[KEY].database
        with database.tenant(self.ref) as session:
            yield session


@dataclass
class Cast:
    """Everybody; Bravo is made when somebody first looks at it."""

    app: Flask
    engine: Engine
    number: str
    acme: Workspace
    olga: Person

    @cached_property
    def bravo(self) -> Workspace:
        """Return Mallory's workspace."""
        return make_workspace(self.app, self.engine, f"bravo-{self.number}", {"owner": "mallory"})

    alice = property(lambda self: self.acme.people["owner"])
    dave = property(lambda self: self.acme.people["accountant"])
    bob = property(lambda self: self.acme.people["member"])
    carol = property(lambda self: self.acme.people["auditor"])
    mallory = property(lambda self: self.bravo.people["owner"])


def raise_curtain(app: Flask, owner: Engine) -> Cast:
    """Make Acme and the people."""
    number = f"{next(_numbers)}-{uuid4().hex[:8]}"
    acme = make_workspace(
        app,
        owner,
        f"acme-{number}",
        {
            "owner": "alice",
            "accountant": "dave",
            "member": "bob",
            "auditor": "carol",
        },
    )
    return Cast(app, owner, number, acme, make_person(app, f"olga-{number}", is_operator=True))


def newcomer(app: Flask, password: str | None) -> str:
    """Add a person who is nowhere a member, and return the address."""
    email = f"pat-{uuid4().hex[:10]}@example.org"
    with app.extensions[KEY].database.platform() as session:
        people.add_person(
            session=session,
            actor=STAGE,
            at=datetime.now(UTC),
            person_id=uuid4(),
            email=email,
            name="Pat",
            password=password,
        )
    return email


def make_person(app: Flask, name: str, *, is_operator: bool = False) -> Person:
    """Make a person with a session that lasts a day."""
    at = datetime.now(UTC)
    person = Person(app, uuid4(), f"{name}@example.org")
    with app.extensions[KEY].database.platform() as session:
        people.add_person(
            session=session,
            actor=STAGE,
            at=at,
            person_id=person.id,
            email=person.email,
            name=name.partition("-")[0].title(),
            password=None,
            is_operator=is_operator,
        )
        person.sign_in(session)
    return person


def make_workspace(app: Flask, owner: Engine, slug: str, people: dict[str, str]) -> Workspace:
    """Make a workspace with one person for each role of `people`."""
    at = datetime.now(UTC)
    ref = create_tenant(
        owner, tenant_id=uuid4(), slug=slug[:40], name=slug.partition("-")[0].title(), base_currency="EUR", at=at
    )
    made = Workspace(app, ref, slug[:40])
    for role, name in people.items():
        made.people[role] = add_person(made, Role(role), f"{name}-{slug.partition('-')[2]}")
    return made


def add_person(workspace: Workspace, role: Role, name: str) -> Person:
    """Add a new person to a workspace, with a session and with a token of every scope."""
    at, person = datetime.now(UTC), make_person(workspace.app, name)
    person.workspace = workspace
    with workspace.app.extensions[KEY].database.platform() as session:
        tenancy.add_member(
            session=session, actor=STAGE, at=at, tenant_id=workspace.ref.id, person_id=person.id, role=role
        )
        person.token = tokens.create_token(
            session=session,
            actor=STAGE,
            at=at,
            token_id=secrets.token_hex(8),
            secret=secrets.token_urlsafe(32),
            tenant_id=workspace.ref.id,
            person_id=person.id,
            name="test",
            scopes=frozenset(SCOPES),
            known_scopes=SCOPES,
        )
    return person
