#!/bin/bash
# The part of the official image's interface that we and its users rely on (Docker Hub, "postgres": Environment Variables,
# Initialization scripts, Arbitrary --user Notes): POSTGRES_USER, POSTGRES_PASSWORD or its _FILE, POSTGRES_DB, PGDATA,
# POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, /docker-entrypoint-initdb.d.
set -euo pipefail

from_file() { # NAME DEFAULT: the variable itself, or what the file says that NAME_FILE names
    local file="${1}_FILE" value="${!1:-}"
    if [ -n "$value" ] && [ -n "${!file:-}" ]; then
        echo "error: both $1 and $file are set (but are exclusive)" >&2
        exit 1
    fi
    [ -z "${!file:-}" ] || value=$(< "${!file}")
    export "$1=${value:-${2:-}}"
    unset "$file"
}

case "${1:-}" in -*) set -- postgres "$@" ;; esac
[ "${1:-}" = postgres ] || exec "$@"

from_file POSTGRES_PASSWORD
from_file POSTGRES_USER postgres
from_file POSTGRES_DB "$POSTGRES_USER"
from_file POSTGRES_INITDB_ARGS
mkdir -p "$PGDATA" /var/run/postgresql
chmod 700 "$PGDATA"
if [ "$(id -u)" = 0 ]; then
    chown -R postgres "$PGDATA" /var/run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        echo "Error: Database is uninitialized and superuser password is not specified." >&2
        exit 1
    fi
    eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >> "$PGDATA/pg_hba.conf"
    # Meanwhile the server answers on its socket only: who asks there takes it for ready too early.
    export PGPASSWORD="$POSTGRES_PASSWORD"
    pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start
    query=(psql --quiet --no-psqlrc -v ON_ERROR_STOP=1 --username "$POSTGRES_USER")
    known=$("${query[@]}" --dbname postgres -At -c "select 1 from pg_database where datname = '$POSTGRES_DB'")
    [ "$known" = 1 ] || "${query[@]}" --dbname postgres -c "create database \"$POSTGRES_DB\""
    for file in /docker-entrypoint-initdb.d/*.sql; do
        [ ! -e "$file" ] || "${query[@]}" --dbname "$POSTGRES_DB" --file "$file"
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
fi
exec "$@"
