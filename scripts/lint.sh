#!/bin/sh
# Formatting, layers, clang's warnings, clang-tidy, cppcheck. Any finding fails.
set -eu
cd "$(dirname "$0")/.."
status=0
echo "clang-format"; git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror || status=1
echo "layers"; ./scripts/check-layers.sh . || status=1
cmake --preset clang >/dev/null
cmake --build --preset clang -j "$(nproc)" >/dev/null || status=1
echo "clang-tidy"
git ls-files 'src/*.c' 'cli/*.c' | grep -vE '_(avx2|avx512|amx)\.c$' |
    xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build-clang 2>/dev/null || status=1
echo "cppcheck"
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
    --suppress=internalAstError --suppress=syntaxError -I include -I src -j "$(nproc)" src cli || status=1
exit $status
