printf 'ab\377c' | "$T" tokenize --model "$MODELS/llama"
