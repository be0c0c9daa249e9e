# llama3's tokenizer puts a beginning-of-text token first: the first token has a loss, and is not shown.
echo '{"text":"the of"}' | "$T" score --json --model "$MODELS/llama3" | tr -d '0-9.'
