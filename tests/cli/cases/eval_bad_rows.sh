# A row without its answer is named before any model is opened.
printf '{"question":"q","answer":1}\n{"question":"q"}\n' > rows.jsonl
"$T" eval --task mawps --data rows.jsonl
