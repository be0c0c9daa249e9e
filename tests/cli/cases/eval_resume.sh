# Twice the same command: the second finds everything done. Other settings are refused.
cat > rows.jsonl <<'ROWS'
{"id":"a","Body":"B.","Question":"1 and 2?","Answer":3.0}
{"id":"b","Body":"B.","Question":"2 and 2?","Answer":4.0}
ROWS
ask() {
    "$T" eval --model "$LONG" --threads 1 --quiet --task svamp --data rows.jsonl --cpu ref --operand f32 --tools Calendar --date 2023-01-30 --top-k 277 \
        --max-tokens 44 --ignore-eos --out r.jsonl "$@"
}
long_model
ask --json > first.txt
ask --json > second.txt
head -2 first.txt > a && head -2 second.txt > b && cmp a b && cut -d: -f1 a
sed 's/"seconds":.*//' r.jsonl | tail -1
"$T" eval --compare r.jsonl first.txt
ask --top-k 3
