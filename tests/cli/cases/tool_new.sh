# What `tool new` writes is a manifest, and its demonstrations can be run as they stand.
"$T" tool new Echo --command cat --out echo.json && "$T" tool test echo.json | sed 's/ *[0-9.]* ms/ N ms/g'
"$T" tool new Echo --command cat --out echo.json
echo "exit $?"
"$T" tool new Own | head -n 3
printf '#!/bin/sh\nwhile read -r line; do echo "$line" | sed "s/.*\\"id\\":\\([0-9]*\\).*\\"query\\":\\(\\"[^\\"]*\\"\\).*/{\\"id\\":\\1,\\"result\\":\\2}/"; done\n' >Own.py
chmod +x Own.py
"$T" tool new Own --out own.json && "$T" tool test --repeats 1 own.json | sed 's/ *[0-9.]* ms/ N ms/g'
