"$T" score --model "$MODELS/llama" --weights stored --operand int8
