"""Every standing assertion is broken on purpose, in a transaction that is rolled back, and must see it."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, text

from tests.cast import Cast
from webapp.tenancy import doctor
from webapp.tenancy.doctor import Finding


@pytest.fixture
def surgeon(owner: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """Return a connection as the owner whose changes never happened; the doctor tells all of what it finds."""
    monkeypatch.setattr(doctor, "FINDINGS_MAX", 100_000)
    with owner.connect() as connection:
        yield connection
        connection.rollback()


def broken(surgeon: Connection, *statements: str) -> None:
    for statement in statements:
        surgeon.execute(text(statement))


def only(findings: list[Finding], *parts: str) -> None:
    assert findings, "the assertion did not see it"
    for finding in findings:
        assert all(part in finding.what for part in parts), finding
        assert finding.way_out


def test_a_sound_installation_has_no_findings(cast: Cast, surgeon: Connection):
    assert doctor.examine(surgeon) == []


def test_the_assertions_read_only(cast: Cast, owner: Engine):
    with owner.connect() as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        doctor.examine(connection)


@pytest.mark.parametrize(
    "statements",
    [
        ["GRANT USAGE ON SCHEMA {b} TO {a}"],
        ["GRANT USAGE ON SCHEMA {b} TO PUBLIC"],
        ["GRANT {b} TO {a} WITH INHERIT TRUE", "ALTER ROLE {a} INHERIT"],
        [
            "CREATE ROLE go_between NOLOGIN",
            "GRANT USAGE ON SCHEMA {b} TO go_between",
            "GRANT go_between TO {a} WITH INHERIT TRUE",
        ],
        ["ALTER ROLE {a} SUPERUSER"],
        ["ALTER SCHEMA {b} OWNER TO {a}"],
        ["GRANT USAGE ON SCHEMA platform TO {a}"],
        ["CREATE SCHEMA extra", "GRANT USAGE ON SCHEMA extra TO {a}"],
    ],
)
def test_reach_sees_a_role_that_enters_another_schema(cast: Cast, surgeon: Connection, statements: list[str]):
    names = {"a": cast.acme.ref.schema, "b": cast.bravo.ref.schema}
    broken(surgeon, *(statement.format(**names) for statement in statements))
    assert any(names["a"] in finding.what for finding in doctor.reach(surgeon))


def test_reach_sees_a_role_that_may_create_in_its_own_schema(cast: Cast, surgeon: Connection):
    name = cast.acme.ref.schema
    broken(surgeon, f"GRANT CREATE ON SCHEMA {name} TO {name}")
    only(doctor.reach(surgeon), f"role {name} may create in schema {name}")


def test_reach_sees_a_login_role_that_enters_without_binding(cast: Cast, surgeon: Connection):
    broken(surgeon, f"GRANT USAGE ON SCHEMA {cast.acme.ref.schema} TO comptoir_app")
    only(doctor.reach(surgeon), "comptoir_app")


@pytest.mark.parametrize(
    ("statement", "parts"),
    [
        ("GRANT SELECT ON {a}.entry TO {b}", ["{b} has SELECT", "{a}.entry"]),
        ("GRANT SELECT ON {a}.entry TO PUBLIC", ["PUBLIC has SELECT", "{a}.entry"]),
        ("GRANT SELECT (note) ON {a}.entry TO PUBLIC", ["PUBLIC has SELECT", "{a}.entry (note)"]),
        ("GRANT USAGE ON SEQUENCE {a}.entry_id_seq TO {b}", ["{b} has USAGE", "{a}.entry_id_seq"]),
        ("GRANT EXECUTE ON FUNCTION {a}.entry_inserted() TO PUBLIC", ["PUBLIC has EXECUTE", "entry_inserted"]),
        ("GRANT USAGE ON SCHEMA {a} TO PUBLIC", ["PUBLIC has USAGE on SCHEMA", "{a}"]),
        ("GRANT SELECT ON platform.person TO {a}", ["{a} has SELECT", "platform.person"]),
        ("GRANT SELECT ON platform.person TO comptoir_app", ["comptoir_app has SELECT", "platform.person"]),
        ("GRANT INSERT ON {a}.entry TO comptoir_platform", ["comptoir_platform has INSERT", "{a}.entry"]),
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA {a} GRANT SELECT ON TABLES TO PUBLIC", ["PUBLIC has SELECT", "DEFAULT"]),
    ],
)
def test_grants_sees_a_right_of_others(cast: Cast, surgeon: Connection, statement: str, parts: list[str]):
    names = {"a": cast.acme.ref.schema, "b": cast.bravo.ref.schema}
    broken(surgeon, statement.format(**names))
    only(doctor.grants(surgeon), *(part.format(**names) for part in parts))


def test_grants_sees_a_new_function_that_everyone_may_call(cast: Cast, surgeon: Connection):
    broken(
        surgeon,
        "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        f"CREATE FUNCTION {cast.acme.ref.schema}.peep() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    )
    only(doctor.grants(surgeon), "PUBLIC has EXECUTE", "peep()")


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        ("GRANT TEMPORARY ON DATABASE comptoir TO PUBLIC", "TEMPORARY"),
        ("GRANT CONNECT ON DATABASE comptoir TO PUBLIC", "PUBLIC has CONNECT"),
        ("GRANT CREATE ON DATABASE comptoir TO comptoir_app", "comptoir_app has CREATE"),
        ("GRANT USAGE ON SCHEMA public TO PUBLIC", "SCHEMA public"),
    ],
)
def test_database_rights_sees_what_was_given_back(cast: Cast, surgeon: Connection, statement: str, part: str):
    broken(surgeon, statement)
    only(doctor.database_rights(surgeon), part)


def test_set_config_sees_the_way_to_another_role(cast: Cast, surgeon: Connection):
    broken(surgeon, "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO PUBLIC")
    found = doctor.set_config(surgeon)
    only(found, "may call set_config()")
    assert any(cast.acme.ref.schema in finding.what for finding in found)


@pytest.mark.parametrize("path", ["", "SET search_path = platform", "SET search_path = pg_temp, platform"])
def test_definer_functions_sees_a_path_that_can_be_shadowed(cast: Cast, surgeon: Connection, path: str):
    broken(surgeon, f"CREATE FUNCTION platform.leak() RETURNS int LANGUAGE sql SECURITY DEFINER {path} AS 'SELECT 1'")
    only(doctor.definer_functions(surgeon), "platform.leak()")


def test_definer_functions_accepts_a_path_that_ends_in_pg_temp(cast: Cast, surgeon: Connection):
    broken(
        surgeon,
        "CREATE FUNCTION platform.sound() RETURNS int LANGUAGE sql SECURITY DEFINER"
        " SET search_path = pg_catalog, platform, pg_temp AS 'SELECT 1'",
    )
    assert doctor.definer_functions(surgeon) == []


def test_ownership_sees_a_table_of_the_application(cast: Cast, surgeon: Connection):
    broken(surgeon, f"ALTER TABLE {cast.acme.ref.schema}.hold OWNER TO comptoir_app")
    assert any("comptoir_app owns table" in finding.what for finding in doctor.ownership(surgeon))


@pytest.mark.parametrize(
    "power", ["SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS", "INHERIT", "LOGIN"]
)
def test_role_powers_sees_a_power(cast: Cast, surgeon: Connection, power: str):
    broken(surgeon, f"ALTER ROLE {cast.acme.ref.schema} {power}")
    only(doctor.role_powers(surgeon), f"role {cast.acme.ref.schema} has powers of its own")


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT {a} TO {b}",
        "GRANT {a} TO comptoir_app WITH INHERIT TRUE, SET TRUE",
        "GRANT {a} TO comptoir_app WITH ADMIN TRUE",
        "GRANT pg_read_all_data TO comptoir_app WITH INHERIT FALSE",
        "GRANT comptoir_platform TO {a}",
    ],
)
def test_role_powers_sees_a_membership(cast: Cast, surgeon: Connection, statement: str):
    broken(surgeon, statement.format(a=cast.acme.ref.schema, b=cast.bravo.ref.schema))
    only(doctor.role_powers(surgeon), "has the rights of role")


@pytest.mark.parametrize(
    ("table", "privilege"),
    [
        *(
            (table, privilege)
            for table in ("audit_event", "entry_version")
            for privilege in ("UPDATE", "DELETE", "TRUNCATE")
        ),
        ("audit_seal", "INSERT"),
        ("audit_checkpoint", "DELETE"),
    ],
)
def test_trail_sees_a_trail_that_can_be_changed(cast: Cast, surgeon: Connection, table: str, privilege: str):
    name = cast.acme.ref.schema
    broken(surgeon, f"GRANT {privilege} ON {name}.{table} TO {name}")
    only(doctor.trail(surgeon), privilege, f"{name}.{table}")


def _unmark(name: str) -> list[str]:
    return [f"DELETE FROM {name}._tenant_marker"]


def _mark_twice(name: str) -> list[str]:
    table = f"{name}._tenant_marker"
    return [
        f"ALTER TABLE {table} DROP CONSTRAINT _tenant_marker_pkey",
        f"INSERT INTO {table} SELECT * FROM {table}",
    ]


def _mark_as_another(name: str) -> list[str]:
    return [f"UPDATE {name}._tenant_marker SET tenant_id = '{uuid4()}'"]


def _mark_as_older(name: str) -> list[str]:
    return [f"UPDATE {name}._tenant_marker SET revision = '0000'"]


def _drop_the_marker(name: str) -> list[str]:
    return [f"DROP TABLE {name}._tenant_marker"]


@pytest.mark.parametrize(
    ("way", "part"),
    [
        (_unmark, "0 marks"),
        (_mark_twice, "2 marks"),
        (_mark_as_another, "is marked as tenant"),
        (_mark_as_older, "revision 0000"),
        (_drop_the_marker, "0 marks"),
    ],
)
def test_markers_sees_a_schema_with_a_wrong_mark(
    cast: Cast, surgeon: Connection, way: Callable[[str], list[str]], part: str
):
    broken(surgeon, *way(cast.acme.ref.schema))
    only(doctor.markers(surgeon), cast.acme.slug, part)


@pytest.mark.parametrize(
    ("statements", "part"),
    [
        (["DROP SCHEMA {a} CASCADE"], "has no schema"),
        (["DROP SCHEMA {a} CASCADE", "DROP ROLE {a}"], "has no "),
        (["DELETE FROM platform.tenant WHERE slug = '{slug}'"], "belongs to no workspace"),
    ],
)
def test_registry_sees_orphans(cast: Cast, surgeon: Connection, statements: list[str], part: str):
    names = {"a": cast.acme.ref.schema, "slug": cast.acme.slug}
    broken(surgeon, *(statement.format(**names) for statement in statements))
    only(doctor.registry(surgeon), cast.acme.ref.schema, part)


def test_revisions_sees_who_is_behind(cast: Cast, surgeon: Connection):
    broken(
        surgeon,
        f"UPDATE platform.tenant SET schema_revision = '0000' WHERE slug = '{cast.acme.slug}'",
        "UPDATE platform.schema_revision SET revision = '0000'",
    )
    found = doctor.revisions(surgeon)
    assert [finding.what.partition(" is at")[0] for finding in found] == [
        f"workspace {cast.acme.slug}",
        "the platform's schema",
    ]
