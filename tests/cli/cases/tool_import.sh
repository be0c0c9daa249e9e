# A server's tools become manifests that can be called as they stand.
server=$(dirname "$0")/../../hostile/mcp_server.py
"$T" tool import --command "python3 '$server' modern" --out tools
echo "exit $?"
"$T" tool call tools/add.json '2, 3'
"$T" tool call tools/bad_name_.json now
"$T" tool test --repeats 1 tools/echo.json | sed 's/ *[0-9.]* ms/ N ms/g'
"$T" tool import --command "python3 '$server' legacy" --out legacy --tool echo --json
"$T" tool import --command "python3 '$server' modern" --out tools --tool echo
echo "exit $?"
"$T" tool import --command "python3 '$server' modern" --tool nothing
echo "exit $?"
"$T" tool import
echo "exit $?"
"$T" tool import --command ' '
echo "exit $?"
"$T" tool import --url http://127.0.0.1:1/mcp
echo "exit $?"
