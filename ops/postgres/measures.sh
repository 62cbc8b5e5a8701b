#!/bin/bash
# Sourced: where the database is, and what Prometheus reads of backups and drills. `measure FAMILY LABELS VALUE` writes one sample of MEASURES_FILE.
export PGHOST=/var/run/postgresql PGUSER=postgres
MEASURES_FOLDER=${MEASURES_FOLDER:-/var/lib/comptoir/metrics}

measures_help() {
  case "$1" in
    comptoir_backup_last_success_timestamp_seconds) echo "When the last backup of this type was done and verified." ;;
    comptoir_backup_success) echo "1 when the last try of this type was done and verified." ;;
    comptoir_backup_duration_seconds) echo "How long the last backup of this type took." ;;
    comptoir_wal_archive_lag_seconds) echo "How long the oldest WAL file that is not yet archived has waited." ;;
    comptoir_configuration_saved_timestamp_seconds) echo "When the configuration was last saved beside the backups." ;;
    comptoir_drill_last_success_timestamp_seconds) echo "When a backup was last restored and found equal to what it was taken from." ;;
    comptoir_drill_last_run_timestamp_seconds) echo "When the last drill ended, well or not." ;;
    comptoir_drill_success) echo "1 when the last drill found all as it was." ;;
    comptoir_drill_duration_seconds) echo "How long the last drill's restore took." ;;
    *) return 1 ;;
  esac
}

measure() {
  local family=$1 labels=$2 value=$3 file=$MEASURES_FOLDER/$MEASURES_FILE
  [ -w "$MEASURES_FOLDER" ] || return 0
  (
    flock 8
    touch "$file.values"
    { awk -v key="$family$labels" '$1 != key' "$file.values"; printf '%s %s\n' "$family$labels" "$value"; } |
      sort >"$file.values.new"
    mv "$file.values.new" "$file.values"
    cut -d' ' -f1 "$file.values" | cut -d'{' -f1 | sort -u | while read -r one; do
      printf '# HELP %s %s\n# TYPE %s gauge\n' "$one" "$(measures_help "$one")" "$one"
      awk -v family="$one" '{name = $1; sub(/\{.*/, "", name)} name == family' "$file.values"
    done >"$file.new"
    chmod 0644 "$file.new"
    mv "$file.new" "$file"
  ) 8>"$MEASURES_FOLDER/.$MEASURES_FILE.lock"
}

say() { printf '{"time":"%s","event":"%s"%s}\n' "$(date -u +%FT%TZ)" "$1" "${2:+,$2}"; }
