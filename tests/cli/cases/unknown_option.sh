"$T" score --wibble 3
