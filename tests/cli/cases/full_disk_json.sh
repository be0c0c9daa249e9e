echo the | "$T" tokenize --model "$MODELS/llama" --json >/dev/full
