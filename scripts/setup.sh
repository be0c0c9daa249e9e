#!/bin/sh
# Installs the Debian packages that building and testing need, when they are missing. Without the rights for it, prints
# the one command and stops.
set -eu
packages="gcc g++ make cmake pkg-config ca-certificates git openssl python3 python3-pip python3-venv python3-jsonschema
libcurl4-openssl-dev libjson-c-dev libpcre2-dev libsqlite3-dev libutf8proc-dev zlib1g-dev libcmocka-dev libgmp-dev
libfasttext-dev libexttextcat-dev libexttextcat-data libseccomp-dev"
[ "${1:-}" = lint ] && packages="$packages clang clang-format clang-tidy cppcheck libclang-rt-14-dev"

missing=""
for package in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        echo "These packages are missing; install them and run make again:" >&2
        echo "    sudo apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
fi
echo "installing:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
if ! { $as_root apt-get update && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y --no-install-recommends $missing; } \
    >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "installing packages failed; when another package manager is running, wait for it and run make again" >&2
    exit 1
fi
