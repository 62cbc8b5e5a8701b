#!/bin/bash
# The service `backup`: a full backup once a week, a differential one on the other nights; WAL leaves by itself.
# `backup-clock.sh alive` is its health check.
set -euo pipefail
# shellcheck source=ops/postgres/measures.sh
. /etc/comptoir/measures.sh
export MEASURES_FILE=backup.prom

stanza=(pgbackrest --stanza=comptoir --log-level-console=warn)
beat=/tmp/backup-clock
hour=${BACKUP_HOUR:-2}
day=86400

if [ "${1:-}" = alive ]; then
  [ -n "$(find "$beat" -newermt '-5 minutes' 2>/dev/null)" ]
  exit
fi

trap 'say backup.stopped; exit 0' TERM INT
nap() { sleep "$1" & wait $!; }

until "${stanza[@]}" stanza-create; do
  say backup.waits_for_database
  touch "$beat"
  nap 5
done
"${stanza[@]}" check || say backup.check_failed

# When the newest backup (of a pattern of labels) began, in seconds; 0 when there is none. Labels say it in UTC.
newest() {
  local label at
  label=$(pgbackrest --stanza=comptoir info --repo=1 --output=json | grep -oE "\"label\":\"$1\"" | tail -1 | cut -d'"' -f4) || true
  at=$(printf '%s' "${label##*_}" | sed -nE 's/^(....)(..)(..)-(..)(..)(..)[FDI]$/\1-\2-\3 \4:\5:\6/p')
  if [ -n "$at" ]; then date -u -d "$at" +%s; else echo 0; fi
}

# What is due: nothing, full or diff. A night that was slept through is made up for at once.
due() {
  local now night
  now=$(date +%s)
  night=$((now / day * day + hour * 3600))
  [ "$night" -le "$now" ] || night=$((night - day))
  if [ "$(newest '[0-9]{8}-[0-9]{6}F')" -lt $((night - 6 * day - day / 2)) ]; then echo full
  elif [ "$(newest '[^"]+')" -lt "$night" ]; then echo "diff"
  fi
}

archive_lag() {
  psql -X -q -d postgres -Atc "SELECT greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(modification))::bigint, 0))
    FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
}

# Started, the database sleeps checkpoint_timeout (5 min) before it first minds archive_timeout: its checkpointer looks before
# the recovery is over. Any signal wakes it, and from then on changes leave within the minute.
woken=""
wake_archive_timeout() {
  local started
  started=$(psql -X -q -d postgres -Atc 'SELECT pg_postmaster_start_time()') || return 0
  [ "$started" != "$woken" ] || return 0
  if psql -X -q -d postgres -Atc 'SELECT pg_reload_conf()' >/dev/null; then woken=$started; fi
}

tried_at=0
while true; do
  touch "$beat"
  wake_archive_timeout 2>/dev/null
  if lag=$(archive_lag 2>/dev/null); then measure comptoir_wal_archive_lag_seconds "" "$lag"; fi
  kind=$(due)
  # One that failed is tried again after a quarter of an hour.
  if [ -n "$kind" ] && [ $(($(date +%s) - tried_at)) -ge 900 ]; then
    tried_at=$(date +%s)
    bash /etc/comptoir/backup.sh "$kind" &
    taking=$!
    while kill -0 "$taking" 2>/dev/null; do
      touch "$beat"
      wake_archive_timeout 2>/dev/null
      nap 2
    done
    wait "$taking" || true
  fi
  nap 15
done
