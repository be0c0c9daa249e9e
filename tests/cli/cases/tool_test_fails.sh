# A tool that answers one of its two calls: that is counted, and the exit says so.
printf '#!/bin/sh\nif [ "$(cat)" = "another question" ]; then printf "[a]\\nb"; else echo "I do not know" >&2; exit 3; fi\n' >half.sh
chmod +x half.sh
"$T" tool new Half --command ./half.sh --out half.json 2>/dev/null
"$T" tool test half.json | sed 's/ *[0-9.]* ms/ N ms/g'
"$T" tool test --json half.json | sed 's/ms":[0-9.e-]*/ms":N/g'
"$T" tool test --json half.json >/dev/null
