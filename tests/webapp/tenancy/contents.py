"""Fill a workspace so that every text in it carries the workspace's canary: 32 characters found nowhere else."""

import itertools
import json
import zlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from sqlalchemy import Connection, Engine, text

from tests.cast import Person, Workspace, make_person, make_workspace
from webapp.kernel.crypto import KeyRing, of_tenant
from webapp.kernel.db import Database
from webapp.tenancy import commands as tenancy
from webapp.web.state import KEY

AT = datetime(2026, 3, 14, 9, 26, tzinfo=UTC)
DAY = date(2026, 3, 14)

CODES = {
    "_tenant_marker": {"revision"},
    "account": {"kind", "currency", "purpose"},
    "entry": {"closed_because"},
    "hold": {"currency", "state"},
    "import": {
        "state",
        "kind",
        "encoding",
        "format",
        "requested_format",
        "error_code",
        "mapping",
        "mapping_by",
    },
    "import_row": {"state", "currency", "reason"},
    "posting": {"currency"},
    "reconciliation": {"currency"},
    "audit_event": {"via"},
    "audit_seal": {"event_ids"},
    "policy_version": {"state"},
    "policy_entity": {"attributes", "parents"},
    "policy_decision": {"code"},
}
"""Columns that hold one of a few codes, or a structure of such, and nobody's words."""

PLACES = {"position": 1, "number": 1, "searched": "subject"}
"""Parameters of addresses that count within something else, or choose among a few words."""

_numbers = itertools.count(1)


@dataclass(slots=True)
class Nest:
    """A workspace whose every text carries `canary`; `ids` are one row of each table, by table."""

    workspace: Workspace
    canary: str
    ids: dict[str, Any] = field(default_factory=dict)

    @property
    def owner(self) -> Person:
        """Return the owner."""
        return self.workspace.owner


def make_nest(app: Flask, owner: Engine, letter: str) -> Nest:
    """Make a workspace with an owner and an accountant; its short name and its people's addresses carry the canary."""
    canary = sha256(f"canary of {letter} {uuid4()}".encode()).hexdigest()[:32]
    people = {"owner": "first", "accountant": "second"}
    workspace = make_workspace(app, owner, f"{letter}{letter}-{canary}", people)
    with owner.begin() as connection:
        connection.execute(
            text("UPDATE platform.tenant SET name = :name WHERE slug = :slug"),
            {"name": f"Nest {canary}", "slug": workspace.slug},
        )
    return Nest(workspace, canary)


def make_guest(app: Flask, *nests: Nest) -> Person:
    """Make a person who is an owner in all these workspaces."""
    guest = make_person(app, f"guest-{next(_numbers)}-{uuid4().hex[:8]}")
    database: Database = app.extensions[KEY].database
    with database.platform() as session:
        for nest in nests:
            tenancy.add_member(
                session=session,
                actor=guest.actor,
                at=AT,
                tenant_id=nest.workspace.ref.id,
                person_id=guest.id,
                role=tenancy.Role.OWNER,
            )
    return guest


def fill(owner: Engine, nest: Nest, start: int) -> None:
    """Put a row with canaries into every table; the ids that the tables give out begin at `start`."""
    with owner.begin() as connection:
        schema = nest.workspace.ref.schema
        connection.execute(text(f"SET LOCAL search_path = {schema}, pg_catalog, pg_temp"))
        for table in _tables_with_identity(connection, schema):
            connection.execute(text(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {start}"))
        nest.ids |= _fill_tenant(connection, nest, start) | _fill_platform(connection, nest)


def _sealed(ring: KeyRing, nest: Nest, **plain: str) -> dict[str, bytes]:
    found = {}
    for name, value in plain.items():
        context = of_tenant(f"account.{name}", nest.workspace.ref.id)
        found[f"{name}_sealed"] = ring.seal(value.encode(), context=context)
        found[f"{name}_blind"] = ring.blind(value, context=context)
    return found


def _own(ring: KeyRing, nest: Nest, place: str, plain: str | bytes) -> bytes:
    column, _, key = place.partition("/")
    context = f"{of_tenant(column, nest.workspace.ref.id)}{key and '/'}{key}"
    return ring.seal(plain.encode() if isinstance(plain, str) else plain, context=context)


def _tables_with_identity(connection: Connection, schema: str) -> list[str]:
    query = "SELECT table_name FROM information_schema.columns WHERE table_schema = :schema AND is_identity = 'YES'"
    return list(connection.scalars(text(query), {"schema": schema}))


def _fill_tenant(connection: Connection, nest: Nest, start: int) -> dict[str, Any]:
    ids: dict[str, Any] = {}
    canary, person = nest.canary, str(nest.owner.id)
    words = json.dumps({"words": [canary, canary]})

    def put(table: str, **values: Any) -> Any:
        columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        known = connection.execute(
            text("SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass(:t) AND attname = 'id'"), {"t": table}
        ).scalar()
        query = f"INSERT INTO {table} ({columns}) VALUES ({marks}){' RETURNING id' if known else ''}"
        made = connection.execute(text(query), values)
        if known:
            ids[table] = made.scalar()
        return ids.get(table)

    ring: KeyRing = nest.workspace.app.extensions[KEY].keys
    for kind in ("asset", "expense"):
        account = put(
            "account",
            kind=kind,
            name=f"{kind} {canary}",
            code=f"{start}{kind[0]}{canary}",
            currency="EUR",
            **_sealed(ring, nest, number=f"{start}{canary}", iban=canary),
            created_at=AT,
        )
    bank = account - 1
    moved = put(
        "import",
        account_id=bank,
        state="review",
        file_name=f"{canary}.csv",
        size_bytes=3,
        sha256=b"1" * 32,
        requested_format=None,
        format=None,
        encoding="utf-8",
        header_fingerprint=canary,
        header=json.dumps([canary]),
        created_at=AT,
        created_by=person,
        changed_at=AT,
        rows_total=1,
        rows_doubtful=1,
        error_params=words,
    )
    plan = json.dumps(
        [{"label": canary, "label_id": 1, "currency": "EUR", "rows": 1, "account_id": bank, "name": canary}]
    )
    connection.execute(
        text("UPDATE import SET accounts_sealed = :plan, balances_sealed = :none WHERE id = :id"),
        {
            "plan": _own(ring, nest, f"import.accounts/{moved}", plan),
            "none": _own(ring, nest, f"import.balances/{moved}", "[]"),
            "id": moved,
        },
    )
    connection.execute(
        text("INSERT INTO import_secret (secret_sealed) VALUES (:secret) ON CONFLICT DO NOTHING"),
        {"secret": _own(ring, nest, "import_secret.secret", canary)},
    )
    put(
        "import_chunk",
        import_id=moved,
        position=0,
        content_sealed=_own(ring, nest, f"import_chunk.content/{moved}/0", canary),
    )
    said = zlib.compress(json.dumps([[canary], {}]).encode())
    put(
        "import_text",
        import_id=moved,
        position=1,
        content_sealed=_own(ring, nest, f"import_text.content/{moved}/1", said),
    )
    entry = put(
        "entry",
        day=DAY,
        description=f"Rent {canary}",
        counterparty=f"Landlord {canary}",
        note=canary,
        created_at=AT,
        created_by=person,
        rate=canary,
        tags=[canary],
    )
    connection.execute(
        text(
            "INSERT INTO posting (entry_id, position, day, account_id, amount, currency, memo)"
            " VALUES (:entry, 1, :day, :bank, -1234, 'EUR', :memo), (:entry, 2, :day, :other, 1234, 'EUR', :memo)"
        ),
        {"entry": entry, "day": DAY, "bank": bank, "other": account, "memo": canary},
    )
    put(
        "import_row",
        import_id=moved,
        position=1,
        line=2,
        state="doubtful",
        reason="near_match",
        params=words,
        account_id=bank,
        day=DAY,
        amount=-1234,
        currency="EUR",
        counterparty=canary,
        description=canary,
        bank_id=canary,
        label=1,
        fingerprint=str(uuid4()),
        match_entry_id=entry,
        category_id=account,
    )
    ids["change"] = change = uuid4()
    put(
        "entry_version",
        entry_id=entry,
        version=1,
        content=words,
        change_id=str(change),
        replaced_at=AT,
        replaced_by=person,
    )
    put("period_closing", starts=date(1990, 1, 1), ends=date(1990, 1, 31), note=canary, closed_at=AT, closed_by=person)
    put(
        "hold",
        account_id=bank,
        amount=5,
        currency="EUR",
        description=canary,
        placed_at=AT,
        placed_by=person,
        expires_at=AT + timedelta(days=9999),
    )
    put(
        "reconciliation",
        account_id=bank,
        currency="EUR",
        day=DAY,
        opening=0,
        balance=-1234,
        started_at=AT,
        started_by=person,
    )
    put("reconciliation_line", reconciliation_id=ids["reconciliation"], entry_id=entry, account_id=bank)
    put("statement_key", account_id=bank, fingerprint=str(uuid4()), entry_id=entry, import_id=moved)
    put("statement_mapping", account_id=bank, header_fingerprint=canary, mapping=words, used_at=AT)
    put("category_word", word=f"{start}{canary}", category_id=account, seen=1)
    put(
        "idempotency",
        key=f"{start}{canary}",
        fingerprint=b"2" * 32,
        status=201,
        location=canary,
        body=words,
        created_at=AT,
    )
    put("saved_view", person_id=person, name=canary, query=f"q={canary}", shared=True, created_at=AT)
    put(
        "audit_event",
        at=AT,
        actor_id=person,
        actor_label=canary,
        via="session",
        action=canary,
        object_type=canary,
        object_id=canary,
        difference=json.dumps({"note": [canary, canary]}),
        request_id=canary,
        source_address=canary,
        through_id=canary,
        decision_id=canary,
    )
    put("audit_words", event_id=start, seal=1, words=f"'{canary}'")
    put("audit_checkpoint", number=start, at=AT, hash=b"1" * 32, total=1, key_id=canary, signature=b"1" * 64)
    kind = f"K{canary}"
    store = put("policy_store", slug=f"s{start}-{canary}"[:40], name=canary, created_at=AT, created_by=person)
    put(
        "policy_version",
        store_id=store,
        number=1,
        state="active",
        schema=f'entity {kind}; action "read" appliesTo {{ principal: {kind}, resource: {kind} }};',
        policies=f"permit (principal, action, resource); // {canary}",
        note=canary,
        created_at=AT,
        created_by=person,
        changed_at=AT,
        changed_by=person,
        replay_asked_at=AT,
        replayed_at=AT,
        replay=json.dumps({"refused": canary}),
    )
    connection.execute(
        text("INSERT INTO policy_entity (store_id, type, id) VALUES (:store, :kind, :canary)"),
        {"store": store, "kind": kind, "canary": canary},
    )
    put(
        "policy_decision",
        store_id=store,
        decision_id=str(uuid4()),
        at=AT,
        version=1,
        subject_type=kind,
        subject_id=canary,
        action=canary,
        resource_type=kind,
        resource_id=canary,
        told=words,
        permit=True,
        code="permitted",
        policies=[canary],
        microseconds=5,
        asked_by=person,
        request_id=canary,
    )
    return ids | PLACES | {"store": f"s{start}-{canary}"[:40]}


def _fill_platform(connection: Connection, nest: Nest) -> dict[str, Any]:
    tenant, person, canary = str(nest.workspace.ref.id), str(nest.owner.id), nest.canary
    keys: KeyRing = nest.workspace.app.extensions[KEY].keys
    ids = {
        "job": uuid4(),
        "invitation": uuid4(),
        "token": uuid4().hex[:16],
        "service_account": uuid4(),
        "client": f"app_{uuid4().hex[:24]}",
        "export": uuid4(),
    }
    _fill_export(connection, nest, ids["export"])
    connection.execute(
        text(
            "INSERT INTO platform.job (id, tenant_id, kind, queue, arguments_sealed, state, created_at, created_by,"
            " available_at, finished_at, error)"
            " VALUES (:id, :tenant, :canary, 'default', :words, 'parked', :at, :person, :at, :at,"
            " :canary)"
        ),
        {
            "id": ids["job"],
            "tenant": tenant,
            "canary": canary,
            "at": AT,
            "person": person,
            "words": keys.seal(json.dumps({"words": canary}).encode(), context=f"job.arguments/platform/{ids['job']}"),
        },
    )
    connection.execute(
        text(
            "INSERT INTO platform.invitation (id, tenant_id, email_sealed, role, secret_hash, created_at, created_by,"
            " expires_at) VALUES (:id, :tenant, :email, 'member', :hash, :at, :person, :until)"
        ),
        {
            "id": ids["invitation"],
            "tenant": tenant,
            "email": keys.seal(
                f"{canary}@example.org".encode(), context=f"invitation.email/platform/{ids['invitation']}"
            ),
            "at": AT,
            "person": person,
            "hash": sha256(uuid4().bytes).digest(),
            "until": datetime.now(UTC) + timedelta(days=7),
        },
    )
    connection.execute(
        text(
            "INSERT INTO platform.token (id, secret_hash, tenant_id, person_id, name, scopes, created_at, expires_at)"
            " VALUES (:id, :hash, :tenant, :person, :canary, ARRAY['ledger:read'], :at, :until)"
        ),
        {
            "id": ids["token"],
            "hash": sha256(uuid4().bytes).digest(),
            "tenant": tenant,
            "person": person,
            "canary": canary,
            "at": AT,
            "until": datetime.now(UTC) + timedelta(days=7),
        },
    )
    connection.execute(
        text(
            "INSERT INTO platform.service_account (id, tenant_id, name, note, role, created_at, created_by)"
            " VALUES (:id, :tenant, :name, :canary, 'auditor', :at, :person)"
        ),
        {
            "name": f"{canary} {next(_numbers)}",
            "id": ids["service_account"],
            "tenant": tenant,
            "canary": canary,
            "at": AT,
            "person": person,
        },
    )
    ids |= {"access_role": f"r{next(_numbers):04}-{canary}"[:40], "access_grant": uuid4()}
    shaped = {"tenant": tenant, "person": person, "canary": canary, "at": AT, "until": datetime.now(UTC)}
    policy = 'permit (principal == Person::"nobody", action == Action::"jobs:jobs:read", resource is Workspace);'
    connection.execute(
        text(
            "INSERT INTO platform.access_role (tenant_id, name, title, permissions, policy, created_at, changed_at)"
            " VALUES (:tenant, :name, :canary, ARRAY['jobs:jobs:read'], :policy, :at, :at)"
        ),
        {"name": ids["access_role"], "policy": f"{policy} // {canary}", **shaped},
    )
    connection.execute(
        text(
            "INSERT INTO platform.access_grant (id, tenant_id, person_id, permissions, policy, note, created_at,"
            " created_by, expires_at) VALUES (:id, :tenant, :person, ARRAY['jobs:jobs:read'], :policy, :canary, :at,"
            " :person, :until)"
        ),
        {"id": ids["access_grant"], "policy": policy, **shaped},
    )
    connection.execute(
        text(
            "INSERT INTO platform.oauth_client (id, tenant_id, name, redirect_uris, scopes, alg, created_at,"
            " created_by) VALUES (:id, :tenant, :canary, ARRAY[:uri], ARRAY['ledger:read'], 'RS256', :at, :person)"
        ),
        {
            "id": ids["client"],
            "tenant": tenant,
            "canary": canary,
            "uri": f"https://{canary}.example/",
            "at": AT,
            "person": person,
        },
    )
    return ids | {"person": nest.workspace.people["accountant"].id}


def _fill_export(connection: Connection, nest: Nest, export_id: UUID) -> None:
    """Keep an export whose only piece is the canary."""
    ring: KeyRing = nest.workspace.app.extensions[KEY].database.keys
    row = {"id": export_id, "tenant": nest.workspace.ref.id, "at": AT, "person": nest.owner.id, "sha": nest.canary}
    row |= {"until": datetime.now(UTC) + timedelta(days=7), "size": len(nest.canary)}
    row["piece"] = _own(ring, nest, f"export_piece.content/{export_id}/0", nest.canary)
    connection.execute(
        text(
            "INSERT INTO platform.workspace_export (id, tenant_id, with_xml, state, created_at, created_by, expires_at,"
            " size_bytes, sha256) VALUES (:id, :tenant, false, 'ready', :at, :person, :until, :size, :sha)"
        ),
        row,
    )
    connection.execute(
        text(
            "INSERT INTO platform.export_piece (export_id, position, tenant_id, content_sealed)"
            " VALUES (:id, 0, :tenant, :piece)"
        ),
        row,
    )


def texts_without_canary(owner: Engine, nest: Nest) -> list[str]:
    """Return the text columns of the workspace's schema in which no row carries the canary."""
    schema, bare = nest.workspace.ref.schema, []
    query = """
        SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN information_schema.tables t
            USING (table_schema, table_name)
        WHERE c.table_schema = :schema AND t.table_type = 'BASE TABLE' AND c.data_type IN ('text', 'jsonb', 'ARRAY')
    """
    with owner.connect() as connection:
        for table, column in connection.execute(text(query), {"schema": schema}).all():
            if column in CODES.get(table, set()):
                continue
            found = connection.scalar(
                text(f"SELECT count(*) FROM {schema}.{table} WHERE {column}::text LIKE '%' || :canary || '%'"),
                {"canary": nest.canary},
            )
            if not found:
                bare.append(f"{table}.{column}")
    return bare


def fingerprint(owner: Engine, nest: Nest) -> dict[str, str]:
    """Return a digest of every table's rows of a workspace and of its rows in the platform's tables."""
    schema, tenant = nest.workspace.ref.schema, nest.workspace.ref.id
    digest = "SELECT coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') FROM {} AS t"
    with owner.connect() as connection:
        tables = connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = :schema"), {"schema": schema}
        ).all()
        found = {table: str(connection.scalar(text(digest.format(f"{schema}.{table}")))) for table in tables}
        for table in ("membership", "invitation", "service_account", "oauth_client", "token", "job"):
            query = digest.format(f"(SELECT * FROM platform.{table} WHERE tenant_id = :tenant)")
            found[f"platform.{table}"] = str(connection.scalar(text(query), {"tenant": tenant}))
    return found
