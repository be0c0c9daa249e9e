echo "1 277" | "$T" detokenize --model "$MODELS/llama"
