printf "Hello the world" | "$T" tokenize --model "$MODELS/llama"
printf "Hello the world" | "$T" tokenize --json --model "$MODELS/llama"
printf "" | "$T" tokenize --json --model "$MODELS/llama"
