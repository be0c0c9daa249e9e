echo "1 2 three" | "$T" detokenize --model "$MODELS/llama"
