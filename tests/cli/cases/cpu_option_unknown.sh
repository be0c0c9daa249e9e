# The same by the option.
echo "{\"text\":\"x\"}" | "$T" score --model "$MODELS/llama" --cpu abacus
