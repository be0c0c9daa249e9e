echo a >text
"$T" score --model "$MODELS/llama" --file text
