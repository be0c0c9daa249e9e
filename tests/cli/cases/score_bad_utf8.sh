printf '{"text":"a\377"}\n' | "$T" score --model "$MODELS/llama"
