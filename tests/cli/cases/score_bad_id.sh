echo '{"ids":[1,999]}' | "$T" score --model "$MODELS/llama"
