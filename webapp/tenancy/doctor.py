"""Standing assertions: what must hold in the catalogue so that no workspace can read another.

Each looks at one thing, as the owner of the schemas, changes nothing, and returns what it finds wrong.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from webapp.tenancy.fitness import unfit
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
    query = """
        SELECT format('role %s %s schema %s', r.rolname,
                CASE WHEN has_schema_privilege(r.oid, n.oid, 'CREATE') THEN 'may create in' ELSE 'enters' END,
                n.nspname) AS what,
            format('REVOKE ALL ON SCHEMA %I FROM %I, PUBLIC, and see what the role is a member of',
                n.nspname, r.rolname) AS way_out
        FROM pg_roles r CROSS JOIN pg_namespace n
        WHERE r.rolname ~ :our_role
            AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
            AND (has_schema_privilege(r.oid, n.oid, 'CREATE')
                OR has_schema_privilege(r.oid, n.oid, 'USAGE') AND r.rolname <> n.nspname
                    AND NOT (r.rolname = 'comptoir_platform' AND n.nspname = 'platform'))
    """
    return _findings(connection, "reach", query)


def grants(connection: Connection) -> list[Finding]:
    """Find rights inside our schemas that belong to PUBLIC or to another role than the schema's own."""
    query = """
        SELECT format('%s has %s on %s %s.%s', coalesce(r.rolname, 'PUBLIC'), a.privilege, a.kind, n.nspname, a.name)
                AS what,
            format('REVOKE %s ON that FROM %s', a.privilege, coalesce(r.rolname, 'PUBLIC')) AS way_out
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
    """
    return _findings(connection, "grants", query)


def database_rights(connection: Connection) -> list[Finding]:
    """Find rights on the database: none for PUBLIC, no schemas and no temporary tables for the application."""
    query = """
        SELECT format('%s has %s on %s', a.grantee, a.privilege, a.name) AS what,
            format('REVOKE %s ON %s FROM %s', a.privilege, a.name, a.grantee) AS way_out
        FROM (
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
        ) AS a
    """
    return _findings(connection, "database_rights", query)


def set_config(connection: Connection) -> list[Finding]:
    """Find roles that could change role inside a single SELECT."""
    query = """
        SELECT format('role %s may call set_config()', r.rolname) AS what,
            'as a superuser REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC'
                AS way_out
        FROM pg_roles r
        WHERE r.rolname ~ :our_role
            AND has_function_privilege(r.oid, 'pg_catalog.set_config(text,text,boolean)', 'EXECUTE')
    """
    return _findings(connection, "set_config", query)


def definer_functions(connection: Connection) -> list[Finding]:
    """Find SECURITY DEFINER functions into which a caller could slip a table: their path must end in pg_temp."""
    query = """
        SELECT format('function %s runs as its owner on its caller''s search path', p.oid::regprocedure) AS what,
            format('ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp, and qualify the names in it',
                p.oid::regprocedure) AS way_out
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting
                            WHERE setting ~ '^search_path=' AND setting ~ '(=|[ ,])"?pg_temp"?$')
    """
    return _findings(connection, "definer_functions", query)


def ownership(connection: Connection) -> list[Finding]:
    """Find what the application's roles own: what one owns it can grant."""
    query = """
        SELECT format('role %s owns %s', r.rolname, pg_describe_object(d.classid, d.objid, d.objsubid)) AS what,
            format('REASSIGN OWNED BY %I TO the owner of the other schemas', r.rolname) AS way_out
        FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid AND d.refclassid = 'pg_authid'::regclass
        WHERE d.deptype = 'o' AND r.rolname ~ :our_role
            AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    """
    return _findings(connection, "ownership", query)


def role_powers(connection: Connection) -> list[Finding]:
    """Find roles with powers of their own, and members that have another role's rights without SET ROLE."""
    query = """
        SELECT format('role %s has powers of its own', r.rolname) AS what,
            format('ALTER ROLE %I NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS NOINHERIT%s', r.rolname,
                CASE r.rolname WHEN 'comptoir_app' THEN '' ELSE ' NOLOGIN' END) AS way_out
        FROM pg_roles r
        WHERE r.rolname ~ :our_role AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
            OR r.rolbypassrls OR r.rolinherit OR (r.rolcanlogin AND r.rolname <> 'comptoir_app'))
        UNION ALL
        SELECT format('role %s has the rights of role %s', member.rolname, r.rolname),
            format('REVOKE %I FROM %I%s', r.rolname, member.rolname,
                CASE member.rolname WHEN 'comptoir_app' THEN ', then GRANT it WITH INHERIT FALSE, SET TRUE' END)
        FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles member ON member.oid = m.member
        WHERE (member.rolname ~ :idle_role
            OR member.rolname = 'comptoir_app' AND (r.rolname !~ :our_role OR m.inherit_option OR m.admin_option)
            OR r.rolname ~ :our_role AND member.rolname <> 'comptoir_app' AND (m.inherit_option OR m.set_option))
            AND NOT member.rolsuper AND member.rolname <> current_user
    """
    return _findings(connection, "role_powers", query)


def trail(connection: Connection) -> list[Finding]:
    """Find roles that may change the trail or the history of entries, or seal: they may only add events and read."""
    query = """
        SELECT format('role %s may %s %s.%s', r.rolname, p.privilege, n.nspname, c.relname) AS what,
            format('REVOKE %s ON %I.%I FROM %I', p.privilege, n.nspname, c.relname, r.rolname) AS way_out
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_roles r ON r.rolname = CASE n.nspname WHEN 'platform' THEN 'comptoir_platform' ELSE n.nspname END
        CROSS JOIN (VALUES ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE')) AS p (privilege)
        WHERE n.nspname ~ :our_schema AND c.relkind IN ('r', 'p')
            AND (c.relname ~ '^(audit_|entry_version$)' AND p.privilege <> 'INSERT'
                OR c.relname IN ('audit_seal', 'audit_checkpoint', 'audit_words', 'audit_key'))
            AND has_table_privilege(r.oid, c.oid, p.privilege)
    """
    return _findings(connection, "trail", query)


def registry(connection: Connection) -> list[Finding]:
    """Find workspaces without schema or role, and schemas and roles without a workspace."""
    query = """
        WITH named AS (SELECT 't_' || replace(id::text, '-', '') AS name, slug FROM platform.tenant)
        SELECT format('workspace %s has no schema %s', slug, name) AS what,
            'restore it from a backup, or remove the workspace' AS way_out
        FROM named WHERE to_regnamespace(name) IS NULL
        UNION ALL
        SELECT format('workspace %s has no role %s', slug, name), 'restore it from a backup, or remove the workspace'
        FROM named WHERE to_regrole(name) IS NULL
        UNION ALL
        SELECT format('schema %s belongs to no workspace', nspname), 'look what it is, then DROP SCHEMA … CASCADE'
        FROM pg_namespace WHERE nspname ~ :tenant AND nspname NOT IN (SELECT name FROM named)
        UNION ALL
        SELECT format('role %s belongs to no workspace', rolname), 'look what it is, then DROP ROLE'
        FROM pg_roles WHERE rolname ~ :tenant AND rolname NOT IN (SELECT name FROM named)
    """
    return _findings(connection, "registry", query)


def markers(connection: Connection) -> list[Finding]:
    """Find schemas that do not carry exactly one mark, their own tenant's, at the registry's revision."""
    query = """
        SELECT t.id, t.slug, t.schema_revision, 't_' || replace(t.id::text, '-', '') AS name,
            to_regclass('t_' || replace(t.id::text, '-', '') || '._tenant_marker') IS NOT NULL AS marked
        FROM platform.tenant t WHERE to_regnamespace('t_' || replace(t.id::text, '-', '')) IS NOT NULL
        ORDER BY t.created_at
    """
    rows = connection.execute(text(query)).all()
    seen = {row.name: row for row in _marks(connection, [row.name for row in rows if row.marked])}
    found = []
    for row in rows:
        mark = seen.get(row.name)
        if mark is None or mark.marks != 1:
            fault = f"{row.name} carries {mark.marks if mark else 0} marks"
            way_out = "restore the schema from a backup; nobody can enter it until then"
        elif mark.tenant_id != str(row.id):
            fault = f"{row.name} is marked as tenant {mark.tenant_id}"
            way_out = "a schema was restored under a wrong name: put each where its mark says"
        elif mark.revision != row.schema_revision:
            fault = f"its mark says revision {mark.revision}, the registry {row.schema_revision}"
            way_out = "set the registry's schema_revision to the mark's, then run comptoir migrate"
        else:
            continue
        found.append(Finding("markers", f"workspace {row.slug}: {fault}", way_out))
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
    """Find the platform and workspaces whose schemas are not as this version needs them."""
    needed = {"tenant": tenant_revisions().needed(), "platform": platform_revisions().needed()}
    return [
        Finding(
            "revisions", f"{one.name} is at revision {one.revision}, not {needed[one.chain]}", "run comptoir migrate"
        )
        for one in unfit(connection, most=FINDINGS_MAX)
    ]


ASSERTIONS: tuple[Assertion, ...] = (
    reach,
    grants,
    database_rights,
    set_config,
    definer_functions,
    ownership,
    role_powers,
    trail,
    registry,
    markers,
    revisions,
)


def examine(connection: Connection) -> list[Finding]:
    """Check every assertion, reading only; an empty list means that all hold."""
    return [finding for assertion in ASSERTIONS for finding in assertion(connection)]


def _findings(connection: Connection, code: str, query: str) -> list[Finding]:
    names = {name: pattern for name, pattern in _NAMES.items() if f":{name}" in query}
    rows = connection.execute(text(query), names).fetchmany(FINDINGS_MAX)
    return [Finding(code, row.what, row.way_out) for row in rows]
