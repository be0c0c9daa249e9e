"$T" generate --model "$MODELS/llama" --cpu ref --operand f32 --tools Calendar --date 2023-01-30 --top-k 277 --max-tokens 44 --ignore-eos --json the
