-- What a database holds: for each table its rows and a digest that no order changes, sums of money, the newest seals.
-- Written only when no transaction was under way while the restore point was set: then a restore to that point holds
-- exactly this. Otherwise nothing is printed and facts.sh tries again.
\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset fieldsep '\t'
\pset tuples_only on
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET bytea_output = 'hex';
SET search_path = pg_catalog;
SELECT pg_current_snapshot() AS before \gset
SELECT pg_create_restore_point(:'point') AS at \gset
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT :'always' = 'yes' OR pg_current_snapshot()::text = :'before'
    AND pg_snapshot_xmin(pg_current_snapshot()) = pg_snapshot_xmax(pg_current_snapshot()) AS quiet \gset
\if :quiet
SELECT format(
    $query$SELECT 'rows', %L, count(*), md5(concat(sum(('x' || left(m, 16))::bit(64)::bigint), '/', sum(('x' || right(m, 16))::bit(64)::bigint)))
    FROM (SELECT md5(t::text) AS m FROM %I.%I t) every$query$, concat(n.nspname, '.', c.relname), n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('drill', 'pg_catalog', 'information_schema', 'pg_toast')
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C" \gexec
SELECT format($query$SELECT 'money', %L, currency, sum(amount) FROM %I.posting GROUP BY currency ORDER BY currency$query$, n.nspname, n.nspname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relname = 'posting' ORDER BY n.nspname COLLATE "C" \gexec
SELECT format($query$SELECT 'seal', %L, number, encode(hash, 'hex') FROM %I.audit_seal ORDER BY number DESC LIMIT 1$query$, n.nspname, n.nspname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relname = 'audit_seal' ORDER BY n.nspname COLLATE "C" \gexec
\endif
COMMIT;
