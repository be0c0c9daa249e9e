"$T" eval --compare a.jsonl
