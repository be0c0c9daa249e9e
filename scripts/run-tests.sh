#!/bin/sh
# The whole suite: the release build runs everything, the sanitizer build everything but the tests on the real model.
# Ends with "N passed, N failed, N skipped", counted in single tests.
set -eu
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
status=0

run() { # preset, label filter…
    preset=$1; shift
    ctest --test-dir "build$preset" --output-on-failure --no-tests=error -j "$jobs" "$@" || status=1
    cat "build$preset/Testing/Temporary/LastTest.log" >>"$log"
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
cmake --preset release >/dev/null
cmake --build --preset release -j "$jobs" -- --quiet 2>&1 | grep -vE '^(Consolidate|\[|gmake)' || true
cmake --build --preset release -j "$jobs" >/dev/null
./build/toolformer model fetch --quiet
run "" -LE 'none'
cmake --preset asan >/dev/null
cmake --build --preset asan -j "$jobs" >/dev/null
# Leaks are found too; halting on the first error is what makes a test fail.
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
run -asan -LE 'model|lint|golden-slow'

passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p;s/^\([0-9]*\) cases passed$/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
failed=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p;s/^\([0-9]*\) cases failed$/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
skipped=$(sed -n 's/^\[  SKIPPED \] \([0-9]*\) test.*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
skipped=$((skipped + $(grep -c '^Test Skipped' "$log" || true)))
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
