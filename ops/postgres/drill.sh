#!/bin/bash
# The service `drill`: once a week it restores the newest backup apart from everything and compares it with what it was
# taken from: every table's rows and digest, sums of money, seals, indexes; drill-audit then verifies the trails in it.
#   drill.sh          the clock     drill.sh alive   its health check     drill.sh now   one drill at once
#   drill.sh hold TIME   restore to a time and serve it to this network until told to stop (ops/restore-workspace)
set -euo pipefail
# shellcheck source=ops/postgres/measures.sh
. /etc/comptoir/measures.sh
export MEASURES_FILE=drill.prom

beat=/tmp/drill-clock
scratch=$(dirname "${PGDATA:?}")/restored
facts=/var/lib/comptoir/facts
history=$MEASURES_FOLDER/drills.jsonl
week=$((7 * 86400))
# Which version serves: ops/deploy notes it, as this container stays as it is meanwhile. A restore refuses newer backups.
export COMPTOIR_VERSION
COMPTOIR_VERSION=$(cat "$facts/version" 2>/dev/null || printf '%s' "${COMPTOIR_VERSION:-}")

stop_scratch() {
  pg_ctl -D "$scratch" -m immediate -w stop >/dev/null 2>&1 || true
  rm -rf "$scratch"
}

# Nobody but drill-audit is on this network: who comes is let in.
serve_scratch() {
  printf 'local all postgres peer\nhost comptoir comptoir_owner,comptoir_app 0.0.0.0/0 trust\n' >/tmp/pg_hba.conf
  pg_ctl -D "$scratch" -w -t 120 -l /tmp/scratch.log start -o "-c config_file=/etc/comptoir/postgresql.conf \
    -c hba_file=/tmp/pg_hba.conf -c unix_socket_directories=/tmp/restored -c archive_mode=off -c shared_buffers=128MB" >/dev/null
}

ended() {
  local success=$1 what=$2
  stop_scratch
  measure comptoir_drill_success "" "$success"
  measure comptoir_drill_last_run_timestamp_seconds "" "$(date +%s)"
  if [ "$success" = 1 ]; then measure comptoir_drill_last_success_timestamp_seconds "" "$(date +%s)"; fi
  printf '{"time":"%s","backup":"%s","success":%s,"seconds":%s,"what":"%s"}\n' "$(date -u +%FT%TZ)" "${label:-}" \
    "$([ "$success" = 1 ] && echo true || echo false)" "$(($(date +%s) - began))" "$(tr -c '[:alnum:] .,:;/_()=-' ' ' <<<"$what")" | tee -a "$history"
  [ "$success" = 1 ]
}

drill() {
  local verdict=""
  began=$(date +%s)
  label=$(find "$facts" -name '*.tsv' -printf '%f\n' | sed 's/\.tsv$//' | awk -F_ '{print $NF, $0}' | sort | tail -1 | cut -d' ' -f2)
  if [ -z "$label" ]; then ended 0 "no backup with facts to compare with: see the log of the service backup"; return; fi
  IFS=$'\t' read -r _ point exact _ <"$facts/$label.tsv"
  stop_scratch
  if ! bash /etc/comptoir/restore.sh beside --set "$label" --point "$point" >/tmp/drill.txt 2>&1; then
    ended 0 "$(tail -3 /tmp/drill.txt)"
    return
  fi
  measure comptoir_drill_duration_seconds "" "$(($(date +%s) - began))"
  serve_scratch || { ended 0 "the restored cluster does not start: $(tail -3 /tmp/scratch.log)"; return; }
  bash /etc/comptoir/facts.sh /tmp/restored >/tmp/facts.tsv
  if [ "$exact" = yes ] && ! differing=$(diff <(tail -n +2 "$facts/$label.tsv") <(tail -n +2 /tmp/facts.tsv)); then
    ended 0 "not as it was: $(grep -c '^[<>]' <<<"$differing") lines differ, first $(grep -m1 '^[<>]' <<<"$differing" | cut -f2,3)"
    return
  fi
  if ! pg_amcheck -h /tmp/restored --install-missing --heapallindexed --parent-check -d comptoir >/tmp/amcheck.txt 2>&1; then
    ended 0 "an index is not as its table: $(head -1 /tmp/amcheck.txt)"
    return
  fi
  for _ in $(seq 600); do
    verdict=$(psql -X -h /tmp/restored -d comptoir -Atc 'SELECT code, words FROM drill.verdict' 2>/dev/null) || true
    [ -z "$verdict" ] || break
    touch "$beat"
    sleep 1
  done
  case "$verdict" in
    0\|*) ended 1 "$(grep -c '^rows' /tmp/facts.tsv) tables as they were$([ "$exact" = yes ] || echo ' (somebody always wrote: only indexes and seals were compared)'), trails as sealed" ;;
    "") ended 0 "nobody verified the trails within ten minutes: does the service drill-audit run?" ;;
    *) ended 0 "the trails are not as they were sealed: ${verdict#*|}" ;;
  esac
}

case "${1:-}" in
  alive)
    [ -n "$(find "$beat" -newermt '-60 minutes' 2>/dev/null)" ]
    exit
    ;;
  now | hold)
    exec 9>/tmp/drill.lock
    flock -n 9 || { echo "a drill is under way: try again when it is over" >&2; exit 1; }
    if [ "$1" = now ]; then
      drill
      exit
    fi
    stop_scratch
    bash /etc/comptoir/restore.sh beside --to "$2"
    serve_scratch
    # With a verdict that is there already nobody looks through the trails meanwhile.
    psql -X -q -h /tmp/restored -d comptoir -c "SET ROLE comptoir_owner" -c "CREATE SCHEMA drill" \
      -c "CREATE TABLE drill.verdict (code integer, words text)"
    exit
    ;;
  # What ops/restore-workspace held is done with.
  release)
    stop_scratch
    exit
    ;;
esac

trap 'stop_scratch; exit 0' TERM INT
stop_scratch
while true; do
  touch "$beat"
  last=$(sed -n 's/^comptoir_drill_last_run_timestamp_seconds //p' "$MEASURES_FOLDER/$MEASURES_FILE.values" 2>/dev/null || true)
  # The first one when the first backup is there; then weekly, by day, when the night's backup is done.
  if [ $(($(date +%s) - ${last:-0})) -ge "$week" ] && [ -n "$(find "$facts" -name '*.tsv')" ]; then
    bash /etc/comptoir/drill.sh now || say drill.failed
  fi
  sleep 60 &
  wait $!
done
