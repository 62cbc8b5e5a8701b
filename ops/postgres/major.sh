#!/bin/bash
# Inside the newer image, by ops/upgrade-postgres: from the cluster of the former major version to one of this image's.
#   major.sh look     say from which version to which; refuse what cannot be; change nothing
#   major.sh save     write down what the former server holds, to compare
#   major.sh load     read its dump into this version's server and see that everything is as it was
#   major.sh undo | found-good | forget   delete what was made; delete the files; delete the former cluster
set -euo pipefail
# shellcheck source=ops/postgres/measures.sh
. /etc/comptoir/measures.sh
umask 077

base=/var/lib/postgresql
# Beside the clusters, as the dump may be as large as they are. first-start.sh looks for it, too.
work=$base/upgrade
own=$(dirname "${PGDATA:?}")
fail() {
  printf 'refused: %s\n' "$*" >&2
  exit 1
}
ask() { psql -X -d "$1" -v ON_ERROR_STOP=1 -Atc "$2"; }
# A server that runs deletes files meanwhile: that is no failure.
megabytes() { du -sm "$1" 2>/dev/null | cut -f1 || true; }

look() {
  local from to data needed free
  from=$(ask postgres "SELECT current_setting('server_version_num')::int / 10000") || fail "the database does not answer: start it (docker compose up -d), see ops/doctor"
  data=$(ask postgres 'SHOW data_directory')
  to=$(postgres --version | grep -oE '[0-9]+' | head -1)
  [ "$from" != "$to" ] || fail "the database is of PostgreSQL $from, and so is this image: there is nothing to bring over"
  [ "$to" -gt "$from" ] || fail "the database is of PostgreSQL $from and this image of $to: there is no way to an older one"
  [ ! -e "$own" ] || fail "$own is there already: it is no place for a new cluster"
  [ ! -e "$work" ] || fail "$work is left of an upgrade that was cut off: ops/upgrade-postgres --back"
  # One copy as files, one as the new cluster, and the changes that its making writes.
  needed=$((2 * $(megabytes "$data") + 1024))
  free=$(df -Pm "$base" | awk 'NR == 2 {print $4}')
  [ "$free" -gt "$needed" ] || fail "$needed MB are needed beside what is there and $free MB are free: enlarge the disk of the database"
  printf 'from PostgreSQL %s to %s, %s MB\n' "$from" "$to" "$(megabytes "$data")"
}

# All that has to be the same afterwards: rows, sums and seals, sequences, roles and their rights, every definition.
describe() {
  mkdir -p "$1"
  bash /etc/comptoir/facts.sh >"$1/all-facts"
  [ "$(head -1 "$1/all-facts" | cut -f3)" = yes ] || fail "somebody still writes to the database although the product is stopped: who is it (pg_stat_activity)?"
  tail -n +2 "$1/all-facts" >"$1/facts"
  ask comptoir 'SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY schemaname, sequencename' >"$1/sequences"
  pg_dumpall --globals-only >"$1/roles"
  pg_dump --schema-only --create comptoir >"$1/definitions"
}

# Without comments, which name the server's version, the marks that are new each time, and options of columns: they only
# tune the planner, we set none, and a build may hang its own on every column (the 17 of the test: pg_attver). Without
# parentheses, of which a condition that was read anew has fewer.
plain() { grep -vE '^(--|\\(un)?restrict |$|ALTER TABLE ONLY .* ALTER COLUMN .* SET \([a-z_]+=[0-9.-]+\);$)' "$1" | tr -d '()' || true; }

save() {
  [ -e "$work" ] || mkdir "$work"
  describe "$work/before"
  printf 'written down: %s tables\n' "$(grep -c '^rows' "$work/before/facts")"
}

load() {
  local one wrong
  [ "$(ask postgres 'SHOW data_directory')" = "$PGDATA" ] || fail "it is not this image's server that answers"
  # Those that first-start.sh has made are there already; what follows in the file makes them as they were.
  wrong=$(psql -X -q -d postgres -f "$work/before/roles" 2>&1 >/dev/null | grep -E 'ERROR|FATAL' | grep -vE 'ERROR: +role "[^"]+" already exists$') || true
  [ -z "$wrong" ] || fail "the roles cannot be made: $(head -3 <<<"$wrong")"
  # The database as it was, its rights and settings too, instead of the empty one.
  pg_restore --exit-on-error --clean --if-exists --create --jobs=2 --dbname=postgres "$work/dump" || fail "the dump cannot be read in"
  vacuumdb --quiet --analyze-only --jobs=2 comptoir
  describe "$work/after"
  wrong=$(comm -23 <(plain "$work/before/roles" | sort) <(plain "$work/after/roles" | sort))
  [ -z "$wrong" ] || fail "not as it was: $(wc -l <<<"$wrong") lines of the roles are missing, first $(head -1 <<<"$wrong" | cut -d' ' -f1-3)"
  for one in facts sequences definitions; do
    if ! wrong=$(diff <(plain "$work/before/$one") <(plain "$work/after/$one")); then
      fail "not as it was: $(grep -c '^[<>]' <<<"$wrong") lines of the $one differ, first $(grep -m1 '^[<>]' <<<"$wrong" | cut -c1-200)"
    fi
  done
  printf 'as it was: %s tables with their digests, %s sequences, %s lines of definitions, every role\n' \
    "$(grep -c '^rows' "$work/after/facts")" "$(wc -l <"$work/after/sequences")" "$(plain "$work/after/definitions" | wc -l)"
}

case "${1:-}" in
  look) look ;;
  save) save ;;
  load) load ;;
  # What is deleted is this image's own cluster, and only while an upgrade to it is under way.
  undo)
    if [ -e "$work" ]; then rm -rf "${own:?}" "${work:?}"; fi
    ;;
  found-good) rm -rf "${work:?}" ;;
  forget)
    [ ! -e "$work" ] || fail "an upgrade is under way, or was cut off: ops/upgrade-postgres --back"
    [ "$(ask postgres 'SHOW data_directory')" = "$PGDATA" ] || fail "it is not this image's server that answers"
    for one in "$base"/[0-9]*; do
      if [ -d "$one" ] && [ "$one" != "$own" ]; then
        printf 'deleted: the cluster of PostgreSQL %s, %s MB\n' "$(basename "$one")" "$(megabytes "$one")"
        rm -rf "${one:?}"
      fi
    done
    ;;
  *) fail "${1:-nothing} is no verb of major.sh" ;;
esac
