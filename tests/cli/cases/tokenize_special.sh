printf '<|im_end|>' | "$T" tokenize --model "$MODELS/llama"
printf '<|im_end|>' | "$T" tokenize --model "$MODELS/llama" --no-special | wc -w
