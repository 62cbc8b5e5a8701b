"""What every bench stands on: real servers that sync to disk, one web process, a workspace with a token."""

import base64
import contextlib
import json
import multiprocessing
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine

from tests.bench.client import Wire, free_port
from webapp.access.permissions import SCOPES, Role
from webapp.embedded.postgres import EmbeddedPostgres
from webapp.embedded.valkey import EmbeddedValkey
from webapp.identity import people, tokens
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import KeyRing
from webapp.kernel.data_keys import DataKeys
from webapp.kernel.db import Database, TenantRef, app_url, owner_engine
from webapp.kernel.masters import MasterSource
from webapp.tenancy import commands as tenancy
from webapp.tenancy.preparation import prepare_database
from webapp.tenancy.provisioning import create_tenant

MASTER = "bench:" + base64.b64encode(bytes(range(32))).decode()
SECRET = "bench-secret-key-of-more-than-thirty-two-characters-0123456789"
STAGE = Actor.system("bench", via="cli")
START_SECONDS_MAX = 90


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers of one bench run."""

    database_url: str
    redis_url: str
    folder: Path
    owner: Engine
    database: Database

    def environ(self, **more: str) -> dict[str, str]:
        """Return the environment of a process of the product on this stage."""
        return (
            os.environ
            | {
                "COMPTOIR_DATABASE_URL": self.database_url,
                "COMPTOIR_REDIS_URL": self.redis_url,
                "COMPTOIR_SECRET_KEY": SECRET,
                "COMPTOIR_MASTER_KEYS": MASTER,
                "COMPTOIR_MODE": "embedded",
                "COMPTOIR_DATA_DIR": str(self.folder),
                "COMPTOIR_API_REQUESTS_PER_MINUTE": "100000000",
                "COMPTOIR_PAGES_PER_MINUTE": "100000000",
                "COMPTOIR_MONEY_MOVES_PER_MINUTE": "100000000",
                "COMPTOIR_TOKEN_MONEY_MOVES_PER_MINUTE": "100000000",
                "COMPTOIR_SIGN_IN_PER_5_MINUTES": "100000000",
            }
            | more
        )


@dataclass(frozen=True, slots=True)
class Books:
    """A workspace, its owner's token and two accounts to post between."""

    ref: TenantRef
    slug: str
    token: str


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Start PostgreSQL (fsync on) and Valkey in a folder of their own and prepare the database."""
    with tempfile.TemporaryDirectory(prefix="comptoir-bench-") as name:
        folder = Path(name)
        postgres, valkey = EmbeddedPostgres(folder / "postgres"), EmbeddedValkey(folder / "valkey")
        try:
            database_url, redis_url = postgres.start(), valkey.start()
            owner = owner_engine(database_url)
            prepare_database(owner, SECRET)
            database = Database(app_url(database_url, SECRET))
            database.keys = KeyRing(MasterSource(MASTER, ""), DataKeys(app_url(database_url, SECRET)))
            yield Stage(database_url, redis_url, folder, owner, database)
            database.close()
            owner.dispose()
        finally:
            valkey.stop()
            postgres.stop()


def open_books(on: Stage, slug: str) -> Books:
    """Make a workspace with an owner and a token."""
    at = datetime.now(UTC)
    ref = create_tenant(on.owner, tenant_id=uuid4(), slug=slug, name=slug.title(), base_currency="EUR", at=at)
    person_id = uuid4()
    with on.database.platform() as session:
        people.add_person(
            session=session,
            actor=STAGE,
            at=at,
            person_id=person_id,
            email=f"{slug}@example.org",
            name=slug.title(),
            password=None,
            is_operator=False,
        )
        tenancy.add_member(session=session, actor=STAGE, at=at, tenant_id=ref.id, person_id=person_id, role=Role.OWNER)
        token = tokens.create_token(
            session=session,
            actor=STAGE,
            at=at,
            token_id=secrets.token_hex(8),
            secret=secrets.token_urlsafe(32),
            tenant_id=ref.id,
            person_id=person_id,
            name="bench",
            scopes=frozenset(SCOPES),
            known_scopes=SCOPES,
        )
    return Books(ref, slug, token)


@contextlib.contextmanager
def web_process(on: Stage, **environ: str) -> Iterator[int]:
    """Serve with waitress in one process of its own, with more in its environment, and return its port."""
    port = free_port()
    log = (on.folder / "web.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.web"],
        env=on.environ(COMPTOIR_PORT=str(port), **environ),
        stdout=log,
        stderr=log,
    )
    try:
        end = time.monotonic() + START_SECONDS_MAX
        while True:
            with contextlib.suppress(OSError):
                wire = Wire(port)
                if wire.call(wire.request("GET", "/livez"))[0] == 200:
                    break
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError((on.folder / "web.log").read_text()[-4000:])
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def open_account(port: int, books: Books, **values: object) -> int:
    """Open an account over the API and return its id."""
    wire = Wire(port)
    body = json.dumps({"currency": "EUR", **values}).encode()
    status, answer = wire.call(wire.request("POST", f"/api/v1/t/{books.slug}/accounts", token=books.token, body=body))
    if status != 201:
        raise RuntimeError(answer.decode())
    return int(json.loads(answer)["id"])


def forked() -> multiprocessing.context.SpawnContext:
    """Return the way in which client processes start: fresh, without this process's connections."""
    return multiprocessing.get_context("spawn")
