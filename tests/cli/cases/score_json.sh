printf '{"text":"the of"}\n{"ids":[12,13,14]}\n\n{"text":""}\n{"text":"a"}\n' |
    "$T" score --json --model "$MODELS/llama" --cpu ref --operand f32
