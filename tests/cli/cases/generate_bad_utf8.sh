printf '\303(' | "$T" generate --model "$MODELS/llama"
