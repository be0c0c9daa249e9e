printf abc | "$T" explain --model "$MODELS/llama" --call 'Calculator(1 + 1)' --at 77
