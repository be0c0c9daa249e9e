"$T" filter --run r --tau-f high
