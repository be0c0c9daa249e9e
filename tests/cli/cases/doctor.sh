"$T" doctor --model "$MODELS/llama" --json
