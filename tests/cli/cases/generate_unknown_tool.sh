"$T" generate --model "$MODELS/llama" --tools Teapot x
