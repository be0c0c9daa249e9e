"$T" tool list >/dev/full
