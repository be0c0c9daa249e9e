# The same numbers from another format, but for the last digits: GGUF pairs the rotated values otherwise.
"$T" model export --model "$MODELS/llama" --out tiny.gguf --type F32
echo '{"text":"the of"}' | "$T" score --model tiny.gguf --operand f32 --cpu ref
