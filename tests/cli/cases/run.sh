# The whole job on a tiny model that knows nothing: with this threshold every scored call is kept.
long_model
head -n 4 "$CORPUS" >corpus.jsonl
job() {
    "$T" run --model "$LONG" --corpus corpus.jsonl --tools Calculator --recipe small --tau-f -100 --control 5 \
        --steps 2 --batch 2 --max-tokens 64 --out r --quiet --json
}
job >first || exit
grep -o '"documents":[0-9]*' first
[ -s r/dataset.jsonl ] || echo "no data set"
cp r/dataset.jsonl before
job >second || exit
cmp r/dataset.jsonl before
echo '{"text":"the of"}' | "$T" score --json --model r/model | grep -o '"n_tokens":[0-9]*'
"$T" filter --run r --tau-f 100 --json --quiet | grep -o '"calls":[0-9]*'
cp before r/dataset.jsonl
"$T" export --run r --format openai && "$T" export --run r --format trl && "$T" export --run r --format gguf
grep -c '"tool_calls":' r/openai.jsonl
grep -c '^{"text":"' r/trl.jsonl
"$T" model info r/model.export.gguf --json | grep -o '"format":"gguf"'
