#!/bin/bash
# The restore_command: a file that is not archived yet ends the recovery; a damaged one, or a gap, must not look alike.
# PostgreSQL takes exit codes up to 125 for "there is no more", and stops for anything above.
set -uo pipefail

name=$1 target=$2
pgbackrest --stanza=comptoir --log-level-console=error --pg1-path="$PWD" archive-get "$name" "$target"
code=$?
[ "$code" -ne 0 ] || exit 0
if [ "$code" -gt 1 ]; then
  echo "comptoir: WAL file $name cannot be read from the backups (pgbackrest ended with $code)" >&2
  exit 255
fi
newest=$(pgbackrest --stanza=comptoir info --output=json | grep -oE '"max":"[0-9A-F]{24}"' | tail -1 | cut -d'"' -f4)
if [[ "$name" =~ ^[0-9A-F]{24}$ && "${name:0:8}" = "${newest:0:8}" && "$name" < "$newest" ]]; then
  echo "comptoir: WAL file $name is missing from the backups although $newest is there" >&2
  exit 255
fi
exit 1
