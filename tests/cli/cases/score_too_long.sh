i=0; while [ $i -lt 70 ]; do printf 7; i=$((i + 1)); done >digits
echo "{\"text\":\"$(cat digits)\"}" | "$T" score --model "$MODELS/llama"
