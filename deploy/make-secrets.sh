#!/bin/sh
# Passwords for compose.yaml, made once in deploy/secrets/ and never overwritten. What the files are
# read by in the containers is not this user, so they are readable; the directory is not.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

secret() { # NAME VALUE
    [ -s "secrets/$1" ] && return
    printf '%s' "$2" > "secrets/$1.new"
    chmod 444 "secrets/$1.new"
    mv "secrets/$1.new" "secrets/$1"
}

secret postgres_password "$(random)"
secret database_url "postgresql://monitor:$(cat secrets/postgres_password)@postgres/monitor"
secret influxdb_password "$(random)"
secret influxdb_token "$(random)"
# As `monitor secrets key` makes them: 32 bytes in URL-safe base64.
secret encryption_keys "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')"
