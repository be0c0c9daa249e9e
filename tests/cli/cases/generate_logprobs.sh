"$T" generate --model "$MODELS/llama" --tools none --max-tokens 3 --ignore-eos --json --logprobs the
