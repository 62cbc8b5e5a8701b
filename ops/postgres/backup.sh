#!/bin/bash
# Take one backup of the whole cluster, note what it holds, read it back.   backup.sh full|diff
set -euo pipefail
# shellcheck source=ops/postgres/measures.sh
. /etc/comptoir/measures.sh
export MEASURES_FILE=backup.prom

kind=$1
stanza=(pgbackrest --stanza=comptoir --log-level-console=warn)
facts=/var/lib/comptoir/facts
fail() {
  say backup.failed "\"type\":\"$kind\",\"reason\":\"$1\""
  measure comptoir_backup_success "{type=\"$kind\"}" 0
  exit 1
}

# What pgbackrest says of changes that were not archived in time is most often this.
without_room() {
  [ "$(df --output=avail -k /var/lib/pgbackrest | tail -1)" -ge 1024 ] ||
    printf ': No space left on device where the backups lie; make room, it is tried again'
}

# Two at once would only wait for each other's lock.
exec 9>/tmp/backup.lock
flock -w 3600 9 || fail "another backup takes longer than an hour"

began=$(date +%s)
# Which version serves: ops/deploy notes it, as this container stays as it is meanwhile.
version=$(cat "$facts/version" 2>/dev/null || printf '%s' "${COMPTOIR_VERSION:-unknown}")
take() { "${stanza[@]}" backup --repo="$1" --type="$kind" --annotation=comptoir-version="$version"; }
# Where a second target is set, it gets a backup of its own; the first is tried whatever becomes of that. What the second
# has got while the first failed, it does not get again with each new try.
second=none has=/tmp/second-target-has-$kind
if grep -qs '^repo2-' /etc/pgbackrest/conf.d/*.conf; then
  if [ -n "$(find "$has" -mmin -720 2>/dev/null)" ]; then second=well
  elif "${stanza[@]}" stanza-create && take 2; then second=well && touch "$has"
  else second=failed; fi
fi
take 1 || fail "pgbackrest backup to target 1 ended with an error$(without_room)"
rm -f "$has"
label=$(pgbackrest --stanza=comptoir info --repo=1 --output=json | grep -oE '"label":"[^"]+"' | tail -1 | cut -d'"' -f4)

# At which point which rows were there: the drill compares a restore to that point with it.
if bash /etc/comptoir/facts.sh >"$facts/new"; then
  mv "$facts/new" "$facts/$label.tsv"
  psql -X -q -d postgres -Atc 'SELECT pg_switch_wal()' >/dev/null
  "${stanza[@]}" annotate --repo=1 --set="$label" --annotation=comptoir-facts="$(sha256sum "$facts/$label.tsv" | cut -d' ' -f1)"
else
  say backup.facts_failed "\"label\":\"$label\""
fi
find "$facts" -name '*.tsv' -mtime +45 -delete

# Its exit code is 0 whatever it finds: the words count.
pgbackrest --stanza=comptoir --log-level-console=off --output=text --verbose verify --repo=1 --set="$label" >/tmp/verify.txt || fail "pgbackrest verify ended with an error"
if ! grep -q 'status: ok' /tmp/verify.txt || grep -qE 'status: (error|invalid)|, status: invalid' /tmp/verify.txt; then
  cat /tmp/verify.txt >&2
  fail "pgbackrest verify found it damaged"
fi
[ "$second" != failed ] || fail "the backup on this machine was made, the one to the second target was not"
ended=$(date +%s)
measure comptoir_backup_last_success_timestamp_seconds "{type=\"$kind\"}" "$ended"
measure comptoir_backup_duration_seconds "{type=\"$kind\"}" "$((ended - began))"
measure comptoir_backup_success "{type=\"$kind\"}" 1
say backup.done "\"type\":\"$kind\",\"label\":\"$label\",\"seconds\":$((ended - began))"
