"$T" generate --model "$MODELS/llama" --tools Calendar --date 2023-02-30 --top-k 277 --max-tokens 30 the
