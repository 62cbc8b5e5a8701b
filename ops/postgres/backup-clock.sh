#!/bin/bash
# The service `backup`: a full backup each Sunday, a differential one on the other nights, WAL in between.
# `backup-clock.sh alive` is its health check.
set -euo pipefail

stanza=(pgbackrest --stanza=comptoir)
beat=/tmp/backup-clock
hour=${BACKUP_HOUR:-2}

if [ "${1:-}" = alive ]; then
  [ -n "$(find "$beat" -newermt '-5 minutes' 2>/dev/null)" ]
  exit
fi

say() { printf '{"time":"%s","event":"%s"%s}\n' "$(date -u +%FT%TZ)" "$1" "${2:+,$2}"; }
trap 'say backup.stopped; exit 0' TERM INT

until "${stanza[@]}" stanza-create --log-level-console=warn; do
  say backup.waits_for_database
  sleep 5
done
"${stanza[@]}" check --log-level-console=warn || say backup.check_failed

# The newest backup's night, so that a night that was slept through is made up for.
last_day() {
  "${stanza[@]}" info --output=json | grep -o '"stop":[0-9]*' | tail -1 | cut -d: -f2 | xargs -rI{} date -u -d @{} +%F
}

while true; do
  touch "$beat"
  today=$(date -u +%F)
  if [ "$(last_day)" != "$today" ] && { [ "$((10#$(date -u +%H)))" -ge "$hour" ] || [ -z "$(last_day)" ]; }; then
    kind="diff"
    if [ "$(date -u +%u)" = 7 ]; then kind=full; fi
    if "${stanza[@]}" backup --type="$kind" --log-level-console=warn; then
      say backup.done "\"type\":\"$kind\""
    else
      say backup.failed "\"type\":\"$kind\""
    fi
  fi
  sleep 60 &
  wait $!
done
