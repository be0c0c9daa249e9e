printf 'the\nof\n' | "$T" chat --model "$MODELS/llama" --tools none --max-tokens 4 --template plain --cpu ref --operand f32 >out
wc -l <out
