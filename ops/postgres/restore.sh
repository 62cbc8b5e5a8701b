#!/bin/bash
# Inside the database's container, by ops/restore and the drill: from the backups to a cluster beside the present one.
#   restore.sh look [--to TIME] [--second]
#                                     say which backup would be taken; change nothing
#   restore.sh beside [--to TIME | --set LABEL --point NAME] [--second]
#                                     restore into the folder `restored`, recover it there and see that it is whole
#   --second: from the second target, also where this machine's backups can be read
#   restore.sh swap | undo | forget   put it in its place; put the former one back; delete the former one
set -euo pipefail
# shellcheck source=ops/postgres/measures.sh
. /etc/comptoir/measures.sh

place=$(dirname "${PGDATA:?}")
restored=$place/restored former=$place/before-restore now=$place/docker hold=/var/lib/postgresql/hold-archive
socket=/tmp/restored
fail() {
  printf 'refused: %s\n' "$*" >&2
  exit 1
}

verb=${1:-}
shift || true
to="" label="" point="" places="1 2"
while [ "$#" -gt 0 ]; do
  case "$1" in
    --second) places=2 ;;
    --to) to=$2 && shift ;;
    --set) label=$2 && shift ;;
    --point) point=$2 && shift ;;
    *) fail "$1 is no option" ;;
  esac
  shift
done
# Written in UTC unless it says otherwise.
if [ -n "$to" ]; then to=$(date -u -d "$to" '+%F %T' 2>/dev/null) || fail "--to is a time such as \"2026-11-20 09:41\" (UTC) or \"2026-11-20 10:41 +0100\""; fi

repo=1
info() { pgbackrest --stanza=comptoir --repo="$repo" --log-level-console=error "$@" info; }

# The backups on this machine, or those of the second target where these are gone, cannot be read or are not wanted.
look() {
  : >/tmp/why.txt
  for repo in $places; do
    if [ "$repo" = 2 ] && ! grep -qs '^repo2-' /etc/pgbackrest/conf.d/*.conf; then
      if [ "$places" = 2 ]; then fail "there is no second target: docs/operations/backup.md says how one is set"; fi
      break
    fi
    if all=$(info --output=json 2>>/tmp/why.txt) && grep -q '"label"' <<<"$all"; then
      case "$places$repo" in
        22) echo "taking the backups of the second target" ;;
        *2) echo "no backup can be read on this machine: taking those of the second target" ;;
      esac
      return
    fi
    grep -oE '"message":"[^"]*"' <<<"$all" | sort -u | cut -d'"' -f4 | grep -v '^ok$' >>/tmp/why.txt || true
  done
  cat /tmp/why.txt >&2
  fail "no backup can be read: is the volume there, and is backup_cipher the key that they were made with?"
}

# Which backup: the newest, or the newest that was done before the time. Says so in words that an operator can check.
choose() {
  local all="" one stop version
  look
  if [ -z "$label" ]; then
    while read -r one stop; do
      if [ -z "$to" ] || [ "$stop" -le "$(date -u -d "$to" +%s)" ]; then label=$one; fi
    done < <(grep -oE '"label":"[^"]+"|"stop":[0-9]+' <<<"$all" | sed -E 's/.*:"?([^"]+)"?/\1/' | paste -d' ' - -)
    [ -z "$to" ] || [ "$(date -u -d "$to" +%s)" -le "$(date +%s)" ] || fail "$to UTC has not come yet"
    [ -n "$label" ] || fail "the oldest backup is younger than $to UTC: $(grep -oE '"label":"[^"]+"' <<<"$all" | head -1)"
  fi
  info --set="$label" --output=text >/tmp/set.txt 2>&1 || { cat /tmp/set.txt >&2; fail "backup $label cannot be read"; }
  version=$(sed -n 's/^ *comptoir-version: //p' /tmp/set.txt)
  if [ -n "$version" ] && [ -n "${COMPTOIR_VERSION:-}" ] && [ "$(printf '%s\n%s\n' "$version" "$COMPTOIR_VERSION" | sort -V | tail -1)" != "$COMPTOIR_VERSION" ]; then
    fail "backup $label was made by Comptoir $version and this is $COMPTOIR_VERSION: install $version or newer first (COMPTOIR_VERSION in .env)"
  fi
  size=$(grep -oE '"size":[0-9]+' <<<"$(info --set="$label" --output=json)" | tail -1 | cut -d: -f2)
  free=$(df -PB1 /var/lib/postgresql | awk 'NR == 2 {print $4}')
  [ "$free" -gt "$((size + size / 5))" ] || fail "backup $label needs $((size / 1048576)) MB beside what is there and $((free / 1048576)) MB are free: enlarge the disk of the database"
  printf 'backup %s, made by Comptoir %s, %s MB%s\n' "$label" "${version:-unknown}" "$((size / 1048576))" "${to:+, then every change until $to UTC}"
}

serve() {
  postgres -D "$restored" -c config_file=/etc/comptoir/postgresql.conf -c listen_addresses='' -c unix_socket_directories="$socket" \
    -c hba_file=/etc/comptoir/pg_hba.conf -c archive_command=false -c shared_buffers=128MB >>/tmp/recovery.log 2>&1 &
  server=$!
}

# Wait until the recovery is over; 1 when the server gave up.
recovered() {
  while kill -0 "$server" 2>/dev/null; do
    if [ "$(psql -X -h "$socket" -d postgres -Atc 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ]; then return 0; fi
    sleep 0.3
  done
  return 1
}

beside() {
  local recovery=(--type=default)
  [ ! -e "$former" ] || fail "an earlier restore's former cluster is still kept: look whether all is well, then ops/restore --forget"
  choose
  rm -rf "$restored"
  mkdir -p "$restored" "$socket"
  chmod 0700 "$restored"
  trap 'rm -rf "$restored"' EXIT
  if [ -n "$point" ]; then recovery=(--type=name "--target=$point" --target-action=promote); fi
  if [ -n "$to" ]; then recovery=(--type=time "--target=$to+00" --target-action=promote); fi
  pgbackrest --stanza=comptoir --repo="$repo" --log-level-console=warn --pg1-path="$restored" --set="$label" "${recovery[@]}" \
    --recovery-option="restore_command=bash /etc/comptoir/fetch-wal.sh %f %p" restore >/tmp/restore.txt 2>&1 ||
    { tail -5 /tmp/restore.txt >&2; fail "backup $label cannot be restored; nothing was changed"; }

  : >/tmp/recovery.log
  serve
  if ! recovered; then
    if [ -n "$to" ] && grep -q 'recovery ended before configured recovery target was reached' /tmp/recovery.log; then
      # Nothing was written after that time (a gap would have ended it otherwise): all there is, is the state at that time.
      sed -i '/^recovery_target/d' "$restored/postgresql.auto.conf"
      serve
      recovered || { grep -E 'FATAL|PANIC|comptoir:' /tmp/recovery.log >&2; fail "the changes since backup $label cannot be recovered; nothing was changed"; }
    else
      grep -E 'FATAL|PANIC|comptoir:' /tmp/recovery.log >&2 || tail -5 /tmp/recovery.log >&2
      fail "the changes since backup $label cannot be recovered; nothing was changed"
    fi
  fi
  # The secrets of today open it, not those of the day of the backup.
  if [ -r /run/secrets/database_owner_password ]; then
    psql -X -q -h "$socket" -d postgres -v ON_ERROR_STOP=1 -v owner="$(cat /run/secrets/database_owner_password)" \
      -v pooler="$(cat /run/secrets/pgbouncer_password)" <<'SQL'
ALTER ROLE comptoir_owner PASSWORD :'owner';
ALTER ROLE pgbouncer PASSWORD :'pooler';
SQL
  fi
  printf 'last change in it: %s\n' "$(psql -X -h "$socket" -d comptoir -Atc 'SELECT max(at) FROM platform.audit_event')"
  pg_ctl -D "$restored" -m fast -w stop >/dev/null
  sed -i '/^restore_command/d; /^recovery_target/d' "$restored/postgresql.auto.conf"
  trap - EXIT
}

case "$verb" in
  look) choose ;;
  beside) beside ;;
  swap)
    [ -d "$restored" ] || fail "nothing was restored yet"
    touch "$hold"
    if [ -e "$now" ]; then mv "$now" "$former"; fi
    mv "$restored" "$now"
    ;;
  undo)
    rm -rf "$now" "$restored"
    if [ -e "$former" ]; then mv "$former" "$now"; fi
    rm -f "$hold"
    ;;
  found-good) rm -f "$hold" ;;
  forget)
    rm -rf "$former"
    ;;
  *) fail "$verb is no verb of restore.sh" ;;
esac
