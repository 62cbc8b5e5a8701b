#!/bin/bash
# Keep a saved configuration (closed already, on standard input) beside the backups, and the newest 60 of them.
set -euo pipefail
# shellcheck source=ops/postgres/measures.sh
. /etc/comptoir/measures.sh
export MEASURES_FILE=backup.prom

folder=/var/lib/pgbackrest/configuration
ended() {
  [ "$1" = 0 ] && return
  rm -f "$folder/.new"
  measure comptoir_backup_success '{type="configuration"}' 0
}
trap 'ended $?' EXIT
mkdir -p "$folder"
cat >"$folder/.new"
if [ "$(head -c 8 "$folder/.new")" != Salted__ ] || [ "$(stat -c %s "$folder/.new")" -lt 1000 ]; then
  echo "what came is no closed archive" >&2
  exit 1
fi
mv "$folder/.new" "$folder/$1"
find "$folder" -name '*.enc' | sort -r | tail -n +61 | xargs -r rm -f
# To the second target as it is: whoever has the key opens it by openssl, without pgBackRest.
if grep -qs '^repo2-' /etc/pgbackrest/conf.d/*.conf; then
  pgbackrest --log-level-console=warn --repo=2 --raw repo-put "configuration/$1" <"$folder/$1" || {
    echo "it is saved on this machine; to the second target it could not be sent" >&2
    exit 1
  }
fi
measure comptoir_configuration_saved_timestamp_seconds "" "$(date +%s)"
measure comptoir_backup_success '{type="configuration"}' 1
