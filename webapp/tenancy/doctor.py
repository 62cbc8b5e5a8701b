"""Standing assertions: what must hold in the catalogue so that no workspace can read another.

Each looks at one thing, as the owner of the schemas, changes nothing, and returns what it finds wrong.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from webapp.kernel.db import APP_ROLE
from webapp.tenancy.schema import platform_revisions, tenant_revisions

FINDINGS_MAX = 200
"""Findings of one assertion: a fault repeats itself in every workspace, and the first lines say it."""
MARKERS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be: `code` names the assertion, `what` the object, `way_out` what to do."""

    code: str
    what: str
    way_out: str


Assertion = Callable[[Connection], list[Finding]]

_NAMES = {
    "tenant": "^t_[0-9a-f]{32}$",
    "our_schema": "^(platform|t_[0-9a-f]{32})$",
    "our_role": "^(comptoir_(app|platform)|t_[0-9a-f]{32})$",
    "idle_role": "^(comptoir_platform|t_[0-9a-f]{32})$",
}
"""Patterns of names in the catalogue, by the parameter that they fill."""


def reach(connection: Connection) -> list[Finding]:
    """Find roles that enter a schema of others: the cross product of roles and schemas must be the identity."""
    rows = _rows(connection, """
        SELECT r.rolname, n.nspname, has_schema_privilege(r.oid, n.oid, 'CREATE') AS may_create
        FROM pg_roles r CROSS JOIN pg_namespace n
        WHERE r.rolname ~ :our_role
            AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
            AND (has_schema_privilege(r.oid, n.oid, 'CREATE')
                OR has_schema_privilege(r.oid, n.oid, 'USAGE') AND r.rolname <> n.nspname
                    AND NOT (r.rolname = 'comptoir_platform' AND n.nspname = 'platform'))
    """)
    return [
        Finding("reach", f"role {row.rolname} {'may create in' if row.may_create else 'enters'} schema {row.nspname}",
                f"REVOKE ALL ON SCHEMA {row.nspname} FROM {row.rolname}, PUBLIC, and see what the role is a member of")
        for row in rows
    ]


def grants(connection: Connection) -> list[Finding]:
    """Find rights inside our schemas that belong to PUBLIC or to another role than the schema's own."""
    rows = _rows(connection, """
        SELECT a.kind, n.nspname, a.name, coalesce(r.rolname, 'PUBLIC') AS grantee, a.privilege
        FROM (
            SELECT 'SCHEMA' AS kind, oid AS nsp, nspname::text AS name, x.grantee, x.privilege_type AS privilege,
                nspowner AS owner
            FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) x
            UNION ALL
            SELECT 'TABLE', relnamespace, relname, x.grantee, x.privilege_type, relowner
            FROM pg_class, aclexplode(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char",
                relowner))) x WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
            UNION ALL
            SELECT 'TABLE', c.relnamespace, c.relname || ' (' || attname || ')', x.grantee, x.privilege_type, c.relowner
            FROM pg_attribute JOIN pg_class c ON c.oid = attrelid, aclexplode(attacl) x
            UNION ALL
            SELECT 'ROUTINE', pronamespace, oid::regprocedure::text, x.grantee, x.privilege_type, proowner
            FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) x
            UNION ALL
            SELECT 'TYPE', typnamespace, typname, x.grantee, x.privilege_type, typowner
            FROM pg_type, aclexplode(typacl) x
            UNION ALL
            SELECT 'DEFAULT PRIVILEGES OF', defaclnamespace, defaclobjtype::text, x.grantee, x.privilege_type,
                defaclrole
            FROM pg_default_acl, aclexplode(defaclacl) x
        ) AS a
        JOIN pg_namespace n ON n.oid = a.nsp LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE n.nspname ~ :our_schema AND a.grantee <> a.owner AND r.rolname IS DISTINCT FROM n.nspname
            AND NOT (n.nspname = 'platform' AND r.rolname IS NOT DISTINCT FROM 'comptoir_platform')
    """)
    return [
        Finding("grants", f"{row.grantee} has {row.privilege} on {row.kind} {row.nspname}.{row.name}",
                f"REVOKE {row.privilege} ON that FROM {row.grantee}")
        for row in rows
    ]


def database_rights(connection: Connection) -> list[Finding]:
    """Find rights on the database: none for PUBLIC, no schemas and no temporary tables for the application."""
    rows = _rows(connection, """
        SELECT 'PUBLIC' AS grantee, x.privilege_type AS privilege, 'DATABASE ' || quote_ident(datname) AS name
        FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) x
        WHERE datname = current_database() AND x.grantee = 0
        UNION ALL
        SELECT 'PUBLIC', x.privilege_type, 'SCHEMA public'
        FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) x
        WHERE nspname = 'public' AND x.grantee = 0
        UNION ALL
        SELECT r.rolname, p.privilege, 'DATABASE ' || quote_ident(current_database())
        FROM pg_roles r CROSS JOIN (VALUES ('CREATE'), ('TEMPORARY')) AS p (privilege)
        WHERE r.rolname ~ :our_role AND has_database_privilege(r.oid, current_database(), p.privilege)
    """)
    return [
        Finding("database_rights", f"{row.grantee} has {row.privilege} on {row.name}",
                f"REVOKE {row.privilege} ON {row.name} FROM {row.grantee}")
        for row in rows
    ]


def set_config(connection: Connection) -> list[Finding]:
    """Find roles that could change role inside a single SELECT."""
    rows = _rows(connection, """
        SELECT r.rolname FROM pg_roles r
        WHERE r.rolname ~ :our_role
            AND has_function_privilege(r.oid, 'pg_catalog.set_config(text,text,boolean)', 'EXECUTE')
    """)
    return [
        Finding("set_config", f"role {row.rolname} may call set_config()",
                "as a superuser REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC")
        for row in rows
    ]


def definer_functions(connection: Connection) -> list[Finding]:
    """Find SECURITY DEFINER functions into which a caller could slip a table: their path must end in pg_temp."""
    rows = _rows(connection, """
        SELECT p.oid::regprocedure::text AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting
                            WHERE setting ~ '^search_path=' AND setting ~ '(=|[ ,])"?pg_temp"?$')
    """)
    return [
        Finding("definer_functions", f"function {row.name} runs as its owner on its caller's search path",
                f"ALTER FUNCTION {row.name} SET search_path = pg_catalog, pg_temp, and qualify the names in it")
        for row in rows
    ]


def ownership(connection: Connection) -> list[Finding]:
    """Find what the application's roles own: what one owns it can grant."""
    rows = _rows(connection, """
        SELECT r.rolname, pg_describe_object(d.classid, d.objid, d.objsubid) AS name
        FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid AND d.refclassid = 'pg_authid'::regclass
        WHERE d.deptype = 'o' AND r.rolname ~ :our_role
            AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    """)
    return [
        Finding("ownership", f"role {row.rolname} owns {row.name}",
                f"REASSIGN OWNED BY {row.rolname} TO the owner of the other schemas")
        for row in rows
    ]


def role_powers(connection: Connection) -> list[Finding]:
    """Find roles with powers of their own, and members that have another role's rights without SET ROLE."""
    powers = _rows(connection, """
        SELECT r.rolname FROM pg_roles r
        WHERE r.rolname ~ :our_role AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
            OR r.rolinherit OR (r.rolcanlogin AND r.rolname <> 'comptoir_app'))
    """)
    members = _rows(connection, """
        SELECT member.rolname AS member, r.rolname AS role
        FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles member ON member.oid = m.member
        WHERE (member.rolname ~ :idle_role
            OR member.rolname = 'comptoir_app' AND (r.rolname !~ :our_role OR m.inherit_option OR m.admin_option)
            OR r.rolname ~ :our_role AND member.rolname <> 'comptoir_app' AND (m.inherit_option OR m.set_option))
            AND NOT member.rolsuper AND member.rolname <> current_user
    """)
    return [
        Finding("role_powers", f"role {row.rolname} has powers of its own",
                f"ALTER ROLE {row.rolname} NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS NOINHERIT"
                f"{'' if row.rolname == APP_ROLE else ' NOLOGIN'}")
        for row in powers
    ] + [
        Finding("role_powers", f"role {row.member} has the rights of role {row.role}",
                f"REVOKE {row.role} FROM {row.member}"
                + (", then GRANT it WITH INHERIT FALSE, SET TRUE" if row.member == APP_ROLE else ""))
        for row in members
    ]


def trail(connection: Connection) -> list[Finding]:
    """Find roles that may change the audit trail or the history of entries: they may only add and read."""
    rows = _rows(connection, """
        SELECT r.rolname, n.nspname || '.' || c.relname AS name, p.privilege
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_roles r ON r.rolname = CASE n.nspname WHEN 'platform' THEN 'comptoir_platform' ELSE n.nspname END
        CROSS JOIN (VALUES ('UPDATE'), ('DELETE'), ('TRUNCATE')) AS p (privilege)
        WHERE n.nspname ~ :our_schema AND c.relname IN ('audit_event', 'entry_version') AND c.relkind = 'r'
            AND has_table_privilege(r.oid, c.oid, p.privilege)
    """)
    return [
        Finding("trail", f"role {row.rolname} may {row.privilege} {row.name}",
                f"REVOKE {row.privilege} ON {row.name} FROM {row.rolname}")
        for row in rows
    ]


def registry(connection: Connection) -> list[Finding]:
    """Find workspaces without schema or role, and schemas and roles without a workspace."""
    rows = _rows(connection, """
        WITH named AS (SELECT 't_' || replace(id::text, '-', '') AS name FROM platform.tenant)
        SELECT name, 'no schema' AS fault FROM named WHERE to_regnamespace(name) IS NULL
        UNION ALL SELECT name, 'no role' FROM named WHERE to_regrole(name) IS NULL
        UNION ALL SELECT nspname, 'schema without a workspace' FROM pg_namespace
            WHERE nspname ~ :tenant AND nspname NOT IN (SELECT name FROM named)
        UNION ALL SELECT rolname, 'role without a workspace' FROM pg_roles
            WHERE rolname ~ :tenant AND rolname NOT IN (SELECT name FROM named)
    """)
    ways = {
        "no schema": "restore it from a backup, or remove the workspace",
        "no role": "restore it from a backup, or remove the workspace",
        "schema without a workspace": "look what it is, then DROP SCHEMA … CASCADE",
        "role without a workspace": "look what it is, then DROP ROLE",
    }
    return [Finding("registry", f"{row.name}: {row.fault}", ways[row.fault]) for row in rows]


def markers(connection: Connection) -> list[Finding]:
    """Find schemas that do not carry exactly one mark, their own tenant's, at the registry's revision."""
    rows = connection.execute(text("""
        SELECT t.id, t.slug, t.schema_revision, 't_' || replace(t.id::text, '-', '') AS name,
            to_regclass('t_' || replace(t.id::text, '-', '') || '._tenant_marker') IS NOT NULL AS marked
        FROM platform.tenant t WHERE to_regnamespace('t_' || replace(t.id::text, '-', '')) IS NOT NULL
        ORDER BY t.created_at
    """)).all()
    seen = {row.name: row for row in _marks(connection, [row.name for row in rows if row.marked])}
    found = []
    for row in rows:
        mark = seen.get(row.name)
        if mark is None or mark.marks != 1:
            found.append(Finding("markers", f"workspace {row.slug}: {mark.marks if mark else 0} marks in {row.name}",
                                 "restore the schema from a backup; nobody can enter it until then"))
        elif mark.tenant_id != str(row.id):
            found.append(Finding("markers", f"workspace {row.slug}: {row.name} is marked as tenant {mark.tenant_id}",
                                 "a schema was restored under a wrong name: put each where its mark says"))
        elif mark.revision != row.schema_revision:
            found.append(Finding("markers", f"workspace {row.slug}: mark {mark.revision}, not {row.schema_revision}",
                                 "set the registry's schema_revision to the mark's, then run comptoir migrate"))
    return found[:FINDINGS_MAX]


def _marks(connection: Connection, names: list[str]) -> Iterator[Any]:
    """Read the marks of many schemas, a hundred at a time."""
    for start in range(0, len(names), MARKERS_AT_ONCE):
        parts = [
            f"SELECT '{name}' AS name, count(*) AS marks, min(tenant_id::text) AS tenant_id, min(revision) AS revision"  # noqa: S608 the names are hexadecimal ids
            f" FROM {name}._tenant_marker"
            for name in names[start : start + MARKERS_AT_ONCE]
        ]
        yield from connection.execute(text(" UNION ALL ".join(parts)))


def revisions(connection: Connection) -> list[Finding]:
    """Find the platform and workspaces that are behind the newest revision."""
    head, platform_head = tenant_revisions().head(), platform_revisions().head()
    platform = connection.scalar(text("SELECT revision FROM platform.schema_revision"))
    behind = connection.execute(
        text("SELECT slug, schema_revision FROM platform.tenant WHERE schema_revision <> :head ORDER BY slug"),
        {"head": head},
    )
    return [
        Finding("revisions", f"{name} is at revision {now}, the newest is {newest}", "run comptoir migrate")
        for name, now, newest in [
            *([("the platform's schema", platform, platform_head)] if platform != platform_head else []),
            *((f"workspace {row.slug}", row.schema_revision, head) for row in behind.fetchmany(FINDINGS_MAX)),
        ]
    ]


ASSERTIONS: tuple[Assertion, ...] = (
    reach, grants, database_rights, set_config, definer_functions, ownership, role_powers, trail, registry, markers,
    revisions,
)


def examine(connection: Connection) -> list[Finding]:
    """Check every assertion, reading only; an empty list means that all hold."""
    return [finding for assertion in ASSERTIONS for finding in assertion(connection)]


def _rows(connection: Connection, query: str) -> list[Any]:
    names = {name: pattern for name, pattern in _NAMES.items() if f":{name}" in query}
    return list(connection.execute(text(query), names).fetchmany(FINDINGS_MAX))
