"$T" tokenize --model
