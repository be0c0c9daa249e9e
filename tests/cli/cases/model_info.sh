"$T" model info "$MODELS/llama" --json
