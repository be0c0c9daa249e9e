"$T" score -x
