"$T" tool call Calculator --json "1 +"
