echo '{"text":"the of"}' | "$T" score --model "$MODELS/llama" --cpu ref --operand f32
