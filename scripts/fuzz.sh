#!/bin/sh
# Runs every libFuzzer target for FUZZ_SECONDS (default 600), two at a time. Findings are kept in fuzz-findings/.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-600}
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "$(nproc)" >/dev/null
mkdir -p fuzz-findings build-fuzz/found
status=0
find build-fuzz/tests -type f -name 'fuzz_*' -perm -u+x | sort >build-fuzz/targets
# shellcheck disable=SC2016
xargs -P "$(nproc)" -I{} sh -c '
    name=$(basename "$1")
    mkdir -p "build-fuzz/found/$name"
    corpus=tests/fuzz/corpus/${name#fuzz_}
    [ -d "$corpus" ] || corpus=tests/fuzz/corpus/$name
    [ -d "$corpus" ] || corpus=
    if "$1" -max_total_time="$2" -rss_limit_mb=4096 -timeout=25 -artifact_prefix=fuzz-findings/"$name"- \
        "build-fuzz/found/$name" $corpus >"build-fuzz/$name.log" 2>&1; then
        echo "$name: no finding, $(sed -n "s/^#\([0-9]*\).*DONE.*/\1/p" "build-fuzz/$name.log" | tail -n 1) executions"
    else
        echo "$name: FINDING, see build-fuzz/$name.log and fuzz-findings/"; exit 1
    fi' sh {} "$seconds" <build-fuzz/targets || status=1
exit $status
