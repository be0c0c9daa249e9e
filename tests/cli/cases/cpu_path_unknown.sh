# A forced path that does not exist: by the environment.
echo "{\"text\":\"x\"}" | TFC_CPU=abacus "$T" score --model "$MODELS/llama"
