"$T" score --model "$MODELS/llama" --weights zipped
