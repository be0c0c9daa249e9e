"$T" train --model "$MODELS/llama" --data nowhere.jsonl --out r
