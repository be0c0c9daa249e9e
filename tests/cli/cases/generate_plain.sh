# Streamed text is the text of --json; a prompt from stdin is one from the command line.
"$T" generate --model "$MODELS/llama" --tools none --max-tokens 20 "of the" >a
echo "of the" | "$T" generate --model "$MODELS/llama" --tools none --max-tokens 20 >b
cmp a b
"$T" generate --model "$MODELS/llama" --tools none --max-tokens 20 --json of the >c
grep -q '"prompt":"of the"' c || cat c
