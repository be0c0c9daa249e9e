#!/bin/sh
# real_servers.sh PROGRAM FOLDER: imports and calls real servers from PyPI, which setup.sh leaves in FOLDER.
set -u
T=$1
here=$(cd "$(dirname "$0")" && pwd)
"$here/setup.sh" "$2" || exit $?
servers=$(cd "$2" && pwd)
work=$(mktemp -d) || exit 1
pids=""
trap 'kill $pids 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
export HOME="$work" TOOLFORMER_HOME="$work" no_proxy=127.0.0.1
cd "$work" || exit 1
passed=0 failed=0

# check WHAT PATTERN COMMAND…: the command's output, errors included, holds the pattern.
check() {
    what=$1 pattern=$2; shift 2
    output=$("$@" 2>&1)
    if echo "$output" | grep -qE -- "$pattern"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "--- $what: '$pattern' is not in:"
        echo "$output"
    fi
}

git init -q repo && git -C repo -c user.name=A -c user.email=a@example.org commit -q --allow-empty -m 'The first commit'
for era in modern legacy; do
    check "$era: time, import" 'convert_time.json' "$T" tool import --command "$servers/$era/bin/mcp-server-time" --out "$era"
    check "$era: time, call" '2[0-9]{3}-.*T20:00:00\+09:00' "$T" tool call "$era/convert_time.json" 'Europe/Istanbul, 14:00, Asia/Tokyo'
    check "$era: time, bad argument" '^toolformer: (Error|.*Nowhere)' "$T" tool call "$era/get_current_time.json" Nowhere/City
    check "$era: time, demonstrations" '2 of 2 calls passed' "$T" tool test --repeats 1 "$era/get_current_time.json"
done
check 'git, import' 'git_log.json' "$T" tool import --command "$servers/modern/bin/mcp-server-git --repository $work/repo" \
    --env GIT_CONFIG_NOSYSTEM=1 --out git
check 'git, call' 'The first commit' "$T" tool call git/git_log.json "$work/repo"
check 'git, two arguments' 'The first commit' "$T" tool call git/git_log.json "$work/repo, 1"
check 'git, outside the repository' 'toolformer: ' "$T" tool call git/git_log.json /tmp

# Streamable HTTP, a server on the package.
for era in modern legacy; do
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "$servers/$era/bin/python" "$here/units_server.py" "$port" >"$era.log" 2>&1 &
    pids="$pids $!"
    tries=0
    until python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || break
        sleep 0.1
    done
    check "$era: http, import" 'convert_length.json' "$T" tool import --url "http://127.0.0.1:$port/mcp" --out "http-$era"
    check "$era: http, call" '^4828.03 m' "$T" tool call "http-$era/convert_length.json" '3, mile'
    check "$era: http, default" '^1609.34 m' "$T" tool call "http-$era/convert_length.json" 1
    check "$era: http, nothing" '^86400' "$T" tool call "http-$era/length_of_day.json"
    check "$era: http, failure" 'no such unit: cubit|Error executing tool convert_length' "$T" tool call "http-$era/convert_length.json" '1, cubit'
    check "$era: http, bad argument" 'toolformer: ' "$T" tool call "http-$era/convert_length.json" 'many, mile'
done
check 'wanted tool' 'has no tool .x.; there are convert_length' "$T" tool import --url "http://127.0.0.1:$port/mcp" --tool x
check 'over a file' 'there already' "$T" tool import --url "http://127.0.0.1:$port/mcp" --out "http-$era"
[ $failed -eq 0 ] || echo "$failed cases failed"
echo "$passed cases passed"
exit $((failed > 0))
