"""Every committed event is sealed once, and whatever is done to it afterwards is found and named."""

import random
import threading
import time
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from tests.cast import STAGE, Cast, Workspace
from webapp import clock as the_clock
from webapp.audit import seals, signing
from webapp.audit.commands import record
from webapp.audit.sealer import Sealer
from webapp.audit.seals import Chain
from webapp.audit.verification import Verification, snapshot, verify
from webapp.cli.audit import audit
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import KeyRing, Unopenable, ring_of
from webapp.kernel.db import Database
from webapp.settings import Settings


def act(session: Session, number: int, at: datetime | None = None) -> None:
    """Leave an event in the bound trail."""
    difference = {"memo": (None, f"é\u2028{number}"), "amount": (-number, 2**70)}
    record(
        session=session,
        actor=STAGE,
        at=at or datetime.now(UTC),
        action="entry.posted",
        object_type="entry",
        object_id=number,
        difference=difference,
    )


@pytest.fixture(scope="module")
def ring(database: Database) -> KeyRing:
    """Return the key ring that seals the signing key."""
    return ring_of(database)


@pytest.fixture
def sealer(owner: Engine, ring: KeyRing) -> Sealer:
    """Return a sealer that works now."""
    return Sealer(owner, ring, utc_now)


def check(owner: Engine, ring: KeyRing, chain: Chain) -> Verification:
    """Verify a trail as the command does."""
    with Session(owner) as session, session.begin():
        keys = [key for key in signing.vouched_keys(session=session, vault=ring) if key.vouched]
    with snapshot(owner) as session:
        return verify(session=session, chain=chain, keys=keys)


def sealed_ids(owner: Engine, schema: str) -> list[list[int]]:
    """Return the ids that each seal holds, in order."""
    with owner.begin() as connection:
        rows = connection.execute(text(f"SELECT event_ids FROM {schema}.audit_seal ORDER BY number"))
        return [list(row[0]) for row in rows]


def test_an_event_that_is_committed_late_is_sealed_once_and_one_that_never_was_is_not(
    acme: Workspace, sealer: Sealer, owner: Engine, ring: KeyRing
) -> None:
    chain = Chain.of(acme.ref.id)
    with acme.begin() as late:
        act(late, 1)
        with acme.begin() as early:
            act(early, 2)
        with pytest.raises(ZeroDivisionError), acme.begin() as never:
            act(never, 3)
            raise ZeroDivisionError
        assert sealer.seal(chain) == 1
        assert sealer.seal(chain) == 0
    assert sealer.seal(chain) == 1
    assert sealed_ids(owner, acme.ref.schema) == [[2], [1]]
    found = check(owner, ring, chain)
    assert found.findings == []
    assert (found.events, found.last_seal, found.signed_seal, found.unsealed) == (2, 2, 2, 0)


def write_by_turns(acme: Workspace, seed: int, kept: list[int]) -> None:
    """Leave events in transactions of every length, some of which fail; note the ids of those that were committed."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    for number in range(12):
        try:
            with acme.begin() as session:
                for part in range(chance.randint(1, 4)):
                    act(session, seed * 1000 + number * 10 + part)
                session.execute(text("SELECT pg_sleep(:s)"), {"s": chance.random() / 50})
                _ = 1 / (chance.random() > 0.2)
                made = session.scalars(text("SELECT id FROM audit_event WHERE xmin = pg_current_xact_id()::xid"))
                mine = list(made)
        except ZeroDivisionError:
            continue
        kept.extend(mine)


def test_many_writers_and_two_sealers_at_once_lose_nothing_and_seal_nothing_twice(
    acme: Workspace, owner: Engine, ring: KeyRing
) -> None:
    chain, over = Chain.of(acme.ref.id), threading.Event()
    kept: list[int] = []

    def keep_sealing() -> None:
        sealer = Sealer(owner, ring, utc_now)
        while not over.is_set():
            sealer.seal(chain)

    sealing = [threading.Thread(target=keep_sealing) for _ in range(2)]
    writing = [threading.Thread(target=write_by_turns, args=(acme, seed, kept)) for seed in range(5)]
    for thread in sealing + writing:
        thread.start()
    for thread in writing:
        thread.join()
    over.set()
    for thread in sealing:
        thread.join()
    Sealer(owner, ring, utc_now).seal(chain)
    sealed = [one for batch in sealed_ids(owner, acme.ref.schema) for one in batch]
    assert sorted(sealed) == sorted(kept)
    assert len(kept) > 60
    assert sealed != sorted(sealed) or len(sealed_ids(owner, acme.ref.schema)) > 1
    assert check(owner, ring, chain).findings == []


TAMPERED = {
    "changed": ("UPDATE audit_event SET actor_label = 'somebody else' WHERE object_id = '3'", ["event 3 was changed"]),
    "changed inside": (
        "UPDATE audit_event SET difference = jsonb_set(difference, '{amount,1}', '1') WHERE object_id = '2'",
        ["event 2 was changed"],
    ),
    "moved in time": (
        "UPDATE audit_event SET at = at + interval '1 microsecond' WHERE id = 1",
        ["event 1 was changed"],
    ),
    "removed": ("DELETE FROM audit_event WHERE object_id = '4'", ["event 4 was removed: seal 2 holds it"]),
    "inserted": (
        "INSERT INTO audit_event (at, actor_id, actor_label, via, action, object_type, object_id)"
        " SELECT at, actor_id, actor_label, via, action, object_type, '99' FROM audit_event WHERE id = 1",
        ["event 6 was inserted"],
    ),
    "reordered": (
        "UPDATE audit_event SET id = CASE id WHEN 1 THEN 1002 ELSE 1001 END WHERE id IN (1, 2);"
        "UPDATE audit_event SET id = id - 1000 WHERE id > 1000",
        ["event 1 was moved: it is event 2 of seal 1", "event 2 was moved: it is event 1 of seal 1"],
    ),
    "removed with its seal": (
        "DELETE FROM audit_event WHERE id > 3; DELETE FROM audit_seal WHERE number = 2",
        ["the checkpoint at seal 2 does not fit"],
    ),
    "a seal in the middle removed": (
        "DELETE FROM audit_event WHERE id < 4; DELETE FROM audit_seal WHERE number = 1",
        ["seals 1 to 1 were removed"],
    ),
    "a seal's own words": ("UPDATE audit_seal SET total = 77 WHERE number = 1", ["seal 1 was changed"]),
    "a seal's list": (
        "UPDATE audit_seal SET event_ids = ARRAY[1, 3, 2] WHERE number = 1",
        ["seal 1 was changed: its list"],
    ),
    "a forged signature": (
        "UPDATE audit_checkpoint SET signature = set_byte(signature, 0, get_byte(signature, 0) # 1) WHERE number = 2",
        ["the checkpoint at seal 2 is not signed"],
    ),
}


@pytest.fixture(scope="module")
def stained(app: Any, owner: Engine, ring: KeyRing) -> Chain:
    """Return a trail of five events in two signed seals, which each test may tamper with and puts back."""
    from tests.cast import make_workspace  # noqa: PLC0415 - the same module's fixtures are made for each test

    place = make_workspace(app, owner, f"stained-{uuid4().hex[:8]}", {})
    chain, sealer = Chain.of(place.ref.id), Sealer(owner, ring, utc_now)
    for numbers in ((1, 2, 3), (4, 5)):
        with place.begin() as session:
            for number in numbers:
                act(session, number)
        sealer.seal(chain)
    return chain


@pytest.mark.parametrize("name", TAMPERED)
def test_what_is_done_to_a_sealed_row_in_the_database_is_found_and_named(
    stained: Chain, owner: Engine, ring: KeyRing, name: str
) -> None:
    statements, expected = TAMPERED[name]
    if name == "reordered":
        statements = "ALTER TABLE audit_event ALTER COLUMN id SET GENERATED BY DEFAULT;" + statements
    with Session(owner) as session:
        keys = [key for key in signing.vouched_keys(session=session, vault=ring) if key.vouched]
        session.rollback()
        assert verify(session=session, chain=stained, keys=keys).findings == []
        session.rollback()
        # In a transaction that is never committed: the trail is whole again for the next.
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        seals.enter(session, stained)
        for statement in statements.split(";"):
            session.execute(text(statement))
        found = verify(session=session, chain=stained, keys=keys)
    for said in expected:
        assert any(line.startswith(said) for line in found.findings), (name, found.findings)


def test_whoever_rewrites_the_whole_chain_lacks_the_key(stained: Chain, owner: Engine, ring: KeyRing) -> None:
    with Session(owner) as session:
        keys = [key for key in signing.vouched_keys(session=session, vault=ring) if key.vouched]
        session.rollback()
        seals.enter(session, stained)
        session.execute(text("UPDATE audit_event SET actor_label = 'x' WHERE id = 1"))
        session.execute(text("INSERT INTO audit_unsealed SELECT id FROM audit_event"))
        session.execute(text("DELETE FROM audit_seal"))
        session.execute(text("DELETE FROM audit_checkpoint"))
        seals.seal_batch(session=session, chain=stained, at=datetime.now(UTC))
        forger = signing.Signer(b"7" * 32)
        seals.sign_checkpoint(session=session, chain=stained, signer=forger, at=datetime.now(UTC))
        found = verify(session=session, chain=stained, keys=keys)
        planted = ring.seal(b"8" * 32, context=signing.CONTEXT)
        session.execute(
            text("INSERT INTO platform.audit_key VALUES (:id, :public_key, :sealed, now())"),
            {"id": forger.key_id, "public_key": forger.public_key, "sealed": planted},
        )
        trusted = [key.id for key in signing.vouched_keys(session=session, vault=ring) if key.vouched]
    assert found.findings == [
        "the checkpoint at seal 1 is not signed by a key of this installation",
        "seals 1 to 1 are covered by no valid signature",
    ]
    assert forger.key_id not in trusted


def test_the_application_reads_seals_and_may_neither_write_them_nor_change_an_event(acme: Workspace) -> None:
    forbidden = [
        "UPDATE audit_event SET actor_label = 'x'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "DELETE FROM audit_unsealed",
        "UPDATE audit_unsealed SET event_id = 7",
        *(
            f"{verb} {table}"
            for table in ("audit_seal", "audit_checkpoint", "audit_words")
            for verb in ("DELETE FROM", "TRUNCATE")
        ),
        "INSERT INTO audit_checkpoint SELECT * FROM audit_checkpoint",
        "INSERT INTO audit_seal SELECT * FROM audit_seal",
        "UPDATE audit_seal SET number = 7",
        "SELECT sealed FROM platform.audit_key",
    ]
    for statement in forbidden:
        with pytest.raises(ProgrammingError, match="permission denied"), acme.begin() as session:
            session.execute(text(statement))
    with acme.begin() as session:
        assert session.scalar(text("SELECT count(*) FROM audit_seal")) == 0


def test_no_act_without_its_event(cast: Cast, owner: Engine) -> None:
    body = {"name": "Till", "kind": "asset", "currency": "EUR"}
    for table in ("audit_event", "audit_unsealed"):
        with owner.begin() as connection:
            schema = cast.acme.ref.schema
            connection.execute(text(f"REVOKE INSERT ON {schema}.{table} FROM {schema}"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            cast.alice.api("POST", "/accounts", json=body)
        with cast.acme.begin() as session:
            assert session.scalar(text("SELECT count(*) FROM account")) == 0
        with owner.begin() as connection:
            connection.execute(text(f"GRANT INSERT ON {schema}.{table} TO {schema}"))
    assert cast.alice.api("POST", "/accounts", json=body).status_code == 201


def test_a_new_key_signs_on_and_what_the_old_one_signed_stays_valid(
    acme: Workspace, sealer: Sealer, owner: Engine, ring: KeyRing
) -> None:
    chain = Chain.of(acme.ref.id)
    with acme.begin() as session:
        act(session, 1)
    sealer.run()
    with Session(owner) as session, session.begin():
        newer = signing.rotate(session=session, vault=ring, at=datetime.now(UTC))
    assert check(owner, ring, chain).findings == []
    with acme.begin() as session:
        act(session, 2)
    sealer.run()
    with owner.begin() as connection:
        query = f"SELECT key_id FROM {acme.ref.schema}.audit_checkpoint ORDER BY number"
        signers = list(connection.scalars(text(query)))
    assert signers[0] != signers[1] == newer.key_id
    assert check(owner, ring, chain).findings == []
    assert check(owner, ring, Chain.of(None)).findings == []


def test_what_is_too_old_is_let_go_in_signed_stretches_and_the_rest_stays_verifiable(
    acme: Workspace, sealer: Sealer, owner: Engine, ring: KeyRing
) -> None:
    chain, now = Chain.of(acme.ref.id), datetime.now(UTC)
    for number, days in enumerate((900, 800, 50, 1), 1):
        with acme.begin() as session:
            act(session, number, now - timedelta(days=days))
        sealer.seal(chain)
    with acme.begin() as session:
        act(session, 5, now - timedelta(days=1000))
    removed = sealer.clear(timedelta(days=100))
    assert removed >= 2
    assert sealer.seal(chain) == 3  # the old one that waited, and an event for each stretch
    with acme.begin() as session:
        left = list(
            session.scalars(text("SELECT object_id FROM audit_event WHERE action = 'entry.posted' ORDER BY id"))
        )
        said = session.execute(text("SELECT difference FROM audit_event WHERE action = 'trail.cleared' ORDER BY id"))
        assert [row[0]["seal"][1] for row in said] == [1, 2]
    assert left == ["3", "4", "5"]
    found = check(owner, ring, chain)
    assert found.findings == []
    assert (found.first_seal, found.last_seal) == (3, 5)
    with owner.begin() as connection:
        connection.execute(text(f"DELETE FROM {acme.ref.schema}.audit_event WHERE object_id = '3'"))
        connection.execute(text(f"DELETE FROM {acme.ref.schema}.audit_seal WHERE number = 3"))
    assert "seals 1 to 3 were removed: no event says that their time was over" in check(owner, ring, chain).findings


def test_a_trail_that_cannot_be_sealed_holds_up_no_other_and_ends_no_clock(
    cast: Cast, owner: Engine, ring: KeyRing, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, other = sorted((cast.acme, cast.bravo), key=lambda one: str(one.ref.id))
    for workspace in (broken, other):
        with workspace.begin() as session:
            act(session, 1)
    rename = f"ALTER TABLE {broken.ref.schema}.{{}} RENAME TO {{}}"
    with owner.begin() as connection:
        connection.execute(text(rename.format("audit_seal", "seal_away")))
    try:
        with pytest.raises(ProgrammingError):
            Sealer(owner, ring, utc_now).run()
    finally:
        with owner.begin() as connection:
            connection.execute(text(rename.format("seal_away", "audit_seal")))
    assert sealed_ids(owner, other.ref.schema)

    stop, rounds = threading.Event(), []

    def fails(_sealer: Sealer) -> int:
        rounds.append(1)
        if len(rounds) > 1:
            stop.set()
        raise Unopenable("the master key is not among COMPTOIR_MASTER_KEYS")

    monkeypatch.setattr(Sealer, "run", fails)
    monkeypatch.setattr(the_clock, "SEAL_SECONDS", 0.01)
    the_clock._keep_trails(settings, stop)
    assert len(rounds) == 2, "the clock tries again"


def test_the_clock_seals_by_itself_and_the_command_verifies_and_names(
    acme: Workspace, owner: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    clock = threading.Thread(target=the_clock._keep_trails, args=(settings, stop))
    with acme.begin() as session:
        act(session, 1)
    clock.start()
    deadline = time.monotonic() + 20
    while not sealed_ids(owner, acme.ref.schema) and time.monotonic() < deadline:
        stop.wait(0.05)
    stop.set()
    clock.join()
    for item in fields(Settings):
        monkeypatch.setenv(f"COMPTOIR_{item.name.upper()}", str(getattr(settings, item.name)))
    whole = CliRunner().invoke(audit, ["verify", "--tenant", acme.slug])
    assert whole.exit_code == 0, whole.output
    assert f"{acme.slug}: whole, 1 events in seals 1 to 1, signed up to seal 1, 0 waiting" in whole.output
    with owner.begin() as connection:
        connection.execute(text(f"UPDATE {acme.ref.schema}.audit_event SET via = 'token'"))
    changed = CliRunner().invoke(audit, ["verify"])
    assert changed.exit_code == 1
    assert f"{acme.slug}: event 1 was changed since seal 1" in changed.output
