"$T" eval --task dateset --seed 3 --share 0.1 --limit 40 --write rows.jsonl
wc -l < rows.jsonl | tr -d ' '
"$T" eval --task dateset --data rows.jsonl --limit 2 --write again.jsonl
head -2 rows.jsonl | cmp - again.jsonl && head -1 again.jsonl
