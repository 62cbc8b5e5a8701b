#!/bin/bash
# Runs once, by the image's entry point, when the cluster has just been made: the roles and the database.
set -euo pipefail

# A newer image beside a former cluster would otherwise serve empty books.
for other in /var/lib/postgresql/[0-9]*/docker/PG_VERSION; do
  if [ -s "$other" ] && [ "$(dirname "$other")" != "${PGDATA:?}" ] && [ ! -e /var/lib/postgresql/upgrade ]; then
    echo "refused: the books are in a cluster of PostgreSQL $(cat "$other"). Name the former images again (COMPTOIR_SERVERS in .env), docker compose up -d, then ops/upgrade-postgres" >&2
    # It was made a moment ago and holds nothing; left there, the next start would take it for whole.
    pg_ctl -D "$PGDATA" -m immediate -w stop >/dev/null || true
    rm -rf "${PGDATA:?}"
    rmdir --ignore-fail-on-non-empty "$(dirname "$PGDATA")"
    exit 1
  fi
done

owner_password=$(cat /run/secrets/database_owner_password)
pooler_password=$(cat /run/secrets/pgbouncer_password)

psql -v ON_ERROR_STOP=1 -v owner_password="$owner_password" -v pooler_password="$pooler_password" \
  --username "$POSTGRES_USER" --dbname postgres <<'SQL'
-- Owns the schemas and makes the roles of the workspaces; no superuser.
CREATE ROLE comptoir_owner LOGIN CREATEROLE PASSWORD :'owner_password';
CREATE DATABASE comptoir OWNER comptoir_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
REVOKE ALL ON DATABASE comptoir FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;

-- Looks at statistics, for Prometheus; comes by the socket alone (ops/postgres/pg_ident.conf) and reads no workspace.
CREATE ROLE comptoir_watcher LOGIN CONNECTION LIMIT 5;
GRANT pg_monitor TO comptoir_watcher;
GRANT CONNECT ON DATABASE postgres TO comptoir_watcher;

-- PgBouncer looks passwords up by this role, which may do nothing else and lives in another database.
CREATE ROLE pgbouncer LOGIN PASSWORD :'pooler_password';
GRANT CONNECT ON DATABASE postgres TO pgbouncer;
CREATE SCHEMA pooler;
CREATE FUNCTION pooler.look_up(wanted text, OUT name text, OUT password text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  BEGIN ATOMIC
    SELECT rolname::text, rolpassword::text FROM pg_catalog.pg_authid
    WHERE rolname = wanted AND rolcanlogin AND NOT rolsuper AND rolname IN ('comptoir_owner', 'comptoir_app');
  END;
REVOKE ALL ON FUNCTION pooler.look_up(text) FROM PUBLIC;
GRANT USAGE ON SCHEMA pooler TO pgbouncer;
GRANT EXECUTE ON FUNCTION pooler.look_up(text) TO pgbouncer;
SQL

# What only a superuser may take away: with set_config() an injected statement could take another workspace's role.
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname comptoir \
  -c 'REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC' \
  -c 'REVOKE ALL ON SCHEMA public FROM PUBLIC'
