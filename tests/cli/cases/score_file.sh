i=0; while [ $i -lt 30 ]; do echo "the of to is $i"; i=$((i + 1)); done >text
"$T" score --model "$MODELS/llama" --cpu ref --operand f32 --file text --window 32 --json --quiet
"$T" score --model "$MODELS/llama" --cpu ref --operand f32 --file text --window 32 --max-windows 2 --second-half --quiet
