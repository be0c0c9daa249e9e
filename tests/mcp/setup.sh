#!/bin/sh
# setup.sh FOLDER: real MCP servers from PyPI. FOLDER/modern has the current mcp-server-time, mcp-server-git and
# `mcp` (revision 2026-07-28), FOLDER/legacy those of the handshake. 77: pip's index cannot be reached.
set -eu
mkdir -p "$1"
cd "$1"
exec 9>lock
flock 9
install() { # NAME PACKAGE…
    name=$1; shift
    [ ! -f "$name/complete" ] || return 0
    rm -rf "$name"
    python3 -m venv "$name" && "$name/bin/pip" install --quiet --disable-pip-version-check "$@" && : >"$name/complete"
}
install modern 'mcp>=2,<3' mcp-server-time mcp-server-git >modern.log 2>&1 &
modern=$!
install legacy 'mcp<2' mcp-server-time==2025.9.25 >legacy.log 2>&1 &
legacy=$!
failed=0
wait $modern || failed=1
wait $legacy || failed=1
[ $failed -eq 0 ] && exit 0
python3 -m pip download --quiet --no-deps --dest "$PWD/probe" mcp-server-time >/dev/null 2>&1 || {
    echo "skipped: pip's index cannot be reached"
    exit 77
}
tail -n 5 modern.log legacy.log
exit 1
