"$T" tool list --json --tools Calendar
