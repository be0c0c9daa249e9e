"$T" tool call Calculator "1 / 0"
