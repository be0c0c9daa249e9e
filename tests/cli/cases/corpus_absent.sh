"$T" annotate --model "$MODELS/llama" --corpus nowhere.jsonl --tools Calculator --run r
