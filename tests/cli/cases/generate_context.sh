i=0; while [ $i -lt 70 ]; do printf 7; i=$((i + 1)); done | "$T" generate --model "$MODELS/llama"
