"""Check servers that were given by address, before anything is built on them."""

import psycopg
from psycopg.conninfo import conninfo_to_dict
from redis import Redis
from redis.exceptions import RedisError

from webapp.embedded.process import EmbeddedError

CONNECT_TIMEOUT_SECONDS = 5
POSTGRES_VERSION_MIN = 17_00_00


class DatabaseUnreachable(EmbeddedError):
    """The database of COMPTOIR_DATABASE_URL does not answer or does not admit us."""


class ValkeyUnreachable(EmbeddedError):
    """The Valkey or Redis of COMPTOIR_REDIS_URL does not answer or does not admit us."""


class RightsMissing(EmbeddedError):
    """The role of COMPTOIR_DATABASE_URL cannot make workspaces."""


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def check_database(url: str) -> None:
    """Connect once and look at version and rights; raises DatabaseUnreachable, RightsMissing."""
    conninfo = url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        where = conninfo_to_dict(conninfo)
        with psycopg.connect(conninfo, connect_timeout=CONNECT_TIMEOUT_SECONDS) as session:
            row = session.execute(
                "SELECT rolname, rolsuper OR rolcreaterole, has_database_privilege(current_database(), 'CREATE'), "
                "current_setting('server_version_num')::int FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.ProgrammingError as error:
        raise DatabaseUnreachable(
            f"COMPTOIR_DATABASE_URL is not an address ({_first_line(error)}): "
            "write it as postgresql://user:password@host:5432/database"
        ) from None
    except psycopg.OperationalError as error:
        at = f"{where.get('host', 'localhost')}:{where.get('port', 5432)}"
        raise DatabaseUnreachable(
            f"the database of COMPTOIR_DATABASE_URL at {at} cannot be reached: {_first_line(error)}; "
            "correct the address, or unset it to use the embedded one"
        ) from None
    if row is None:
        raise RightsMissing("the role of COMPTOIR_DATABASE_URL cannot be looked up in pg_roles: use the owner's role")
    role, may_create_roles, may_create_schemas, version = row
    if version < POSTGRES_VERSION_MIN:
        older = version // 100_00
        raise DatabaseUnreachable(f"COMPTOIR_DATABASE_URL leads to PostgreSQL {older}: 17 or newer is needed")
    if not may_create_roles:
        way_out = f'as a superuser run ALTER ROLE "{role}" CREATEROLE'
        raise RightsMissing(f'the role "{role}" may not create roles: {way_out}')
    if not may_create_schemas:
        name = where.get("dbname", role)
        raise RightsMissing(
            f'the role "{role}" may not create schemas: as the database\'s owner run '
            f'GRANT CREATE ON DATABASE "{name}" TO "{role}"'
        )


def check_valkey(url: str) -> None:
    """Ask once; raises ValkeyUnreachable."""
    try:
        with Redis.from_url(url, socket_connect_timeout=CONNECT_TIMEOUT_SECONDS) as client:
            client.ping()
    except (RedisError, ValueError, OSError) as error:
        raise ValkeyUnreachable(
            f"the Valkey of COMPTOIR_REDIS_URL cannot be reached: {_first_line(error)}; "
            "correct the address, or unset it to use the embedded one"
        ) from None
