#!/usr/bin/env bash
# Runs `make test` on this checkout in a bare Debian 13, with that Debian's own Python and OpenSSL.
#
# debootstrap makes the system once and keeps it below XDG_CACHE_HOME, or else in /var/tmp. Packages
# come from the mirror that apt uses here. Python packages are fetched by pip as it is set up here,
# pinned by hash, and are installed without a network. Mounts are made in a namespace of the run's
# own: they end with it, however it ends.
#
# The environment: ARGS, SEED, TESTS_AT_ONCE and CI are those of `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."

SUITE=trixie
PACKAGES=(ca-certificates curl git libfaketime make python3 python3-venv)
CACHE=${XDG_CACHE_HOME:-/var/tmp}/monitor-debian13
ROOT=$CACHE/root

fail() {
    echo "$1" >&2
    exit 1
}

mirror() {
    apt-get indextargets --format '$(SITE)' 'Label: Debian' 'Created-By: Packages' | sed -n 1p
}

# With /proc, /dev and the fetched packages in place; nothing of this environment goes along.
inside() {
    unshare --mount bash -euc '
        root=$1 wheels=$2; shift 2
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mkdir -p "$root/wheels" "$wheels"
        mount --bind "$wheels" "$root/wheels"
        exec chroot "$root" env -i "$@"
    ' bash "$ROOT" "$WHEELS" HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

bootstrap() {
    local from
    from=$(mirror)
    [ -n "$from" ] || fail "apt knows no Debian mirror here: run apt-get update, and see sources.list(5)."
    echo "Making a bare Debian 13 in $ROOT (once, about a minute) ..."
    rm -rf "$ROOT.new"
    debootstrap --variant=minbase "$SUITE" "$ROOT.new" "$from" >"$CACHE/debootstrap.log" ||
        fail "debootstrap failed: $CACHE/debootstrap.log says why."
    # Debian's way to say that a package's server is not to be started: the tests start their own.
    printf '#!/bin/sh\nexit 101\n' >"$ROOT.new/usr/sbin/policy-rc.d"
    chmod 755 "$ROOT.new/usr/sbin/policy-rc.d"
    mv "$ROOT.new" "$ROOT"
}

# What the name servers here are may have changed since.
install_packages() {
    cp -L /etc/resolv.conf /etc/hosts "$ROOT/etc/"
    [ "$(cat "$ROOT/etc/monitor-packages" 2>/dev/null)" = "${PACKAGES[*]}" ] && return
    echo "Installing ${PACKAGES[*]}, and influxdb where there is one ..."
    inside DEBIAN_FRONTEND=noninteractive sh -euc '
        apt-get update -qq
        apt-get install -qq --no-install-recommends "$@" >/dev/null
        if apt-cache show influxdb >/dev/null 2>&1; then
            apt-get install -qq --no-install-recommends influxdb >/dev/null
        fi
    ' sh "${PACKAGES[@]}"
    echo "${PACKAGES[*]}" >"$ROOT/etc/monitor-packages"
}

# pip reads the markers of the pinned packages as those of the Python that runs it. One that is for
# newer ones alone would be missing here, and the installation would say so.
fetch_wheels() {
    local version
    [ ! -e "$WHEELS/.complete" ] || return 0
    echo "Fetching the pinned Python packages ..."
    rm -rf "$CACHE"/wheels-* "$ROOT/src/.venv"
    version=$(inside python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    .venv/bin/python -m pip download -qq --disable-pip-version-check --require-hashes \
        --only-binary=:all: --python-version "$version" -r requirements/dev.txt -d "$WHEELS"
    touch "$WHEELS/.complete"
}

# What is in git and what is new, as it is now, over what the run before has left.
copy_checkout() {
    mkdir -p "$ROOT/src"
    find "$ROOT/src" "$ROOT/tmp" -mindepth 1 -maxdepth 1 ! -path "$ROOT/src/.venv" -exec rm -rf {} +
    git -c safe.directory="$PWD" ls-files -z --cached --others --exclude-standard |
        xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' sh |
        tar -c --null -T - --owner=0 --group=0 | tar -x -C "$ROOT/src"
}

[ "$(id -u)" -eq 0 ] || fail "make test-debian13 needs root, for a chroot of its own."
command -v debootstrap >/dev/null || fail "debootstrap is not installed: apt install debootstrap"
mkdir -p "$CACHE"
exec 9>"$CACHE/lock"
flock 9
WHEELS=$CACHE/wheels-$(cat requirements/dev.txt pyproject.toml | sha256sum | cut -c1-16)
[ -d "$ROOT" ] || bootstrap
install_packages
fetch_wheels
copy_checkout

given=(PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels REQUIRE_FAKETIME=1)
if [ -x "$ROOT/usr/bin/influxd" ]; then
    given+=(REQUIRE_INFLUX=1)
else
    echo "Debian 13 has no influxdb here: the tests that need one are skipped."
fi
for name in ARGS SEED TESTS_AT_ONCE CI; do
    [ -z "${!name:-}" ] || given+=("$name=${!name}")
done
inside "${given[@]}" make --no-print-directory -C /src test
