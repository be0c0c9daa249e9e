"$T" tool list
