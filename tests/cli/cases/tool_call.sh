"$T" tool call Calculator "400 / 1400"
"$T" tool call Calculator "-3 + 4"
"$T" tool call Calendar --date 2023-01-30
"$T" tool call --json Calculator "85 / 23"
