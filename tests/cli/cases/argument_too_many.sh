"$T" tokenize again
