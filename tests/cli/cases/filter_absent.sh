"$T" filter --run nowhere
