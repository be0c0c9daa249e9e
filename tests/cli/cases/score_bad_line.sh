printf '{"text":"a"}\n{"text":' | "$T" score --model "$MODELS/llama" >out
