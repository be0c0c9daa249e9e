#!/bin/sh
# The whole job on the real model, killed three times (SIGKILL) and called again, against the same job undisturbed with
# other threads and batch budgets: data set and weights are the same bytes.
#     kill_and_resume.sh toolformer corpus.jsonl
set -eu
toolformer=$1
corpus=$2
"$toolformer" model info >/dev/null 2>&1 || { echo "skipped: the default model is not there (toolformer model fetch)"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

job() { # folder, further options; takes the place of its subshell, so that a kill meets the program itself
    out=$1; shift
    exec "$toolformer" run --corpus "$corpus" --limit 24 --tools Calculator,Calendar --recipe small --steps 3 --batch 4 \
        --control 0 --dev-share 0 --checkpoint-every 1 --quiet --out "$out" "$@"
}

(job "$folder/whole" --threads 1 --batch-tokens 333) >/dev/null
kills=0
for seconds in 3 8 14; do
    job "$folder/killed" --threads 2 >/dev/null 2>&1 &
    process=$!
    sleep "$seconds"
    if kill -9 "$process" 2>/dev/null; then kills=$((kills + 1)); fi
    wait "$process" 2>/dev/null || true
    for name in dataset.jsonl model/model.gguf; do
        [ ! -e "$folder/killed/$name" ] || cmp "$folder/whole/$name" "$folder/killed/$name"
    done
done
(job "$folder/killed" --threads 2) >/dev/null
cmp "$folder/whole/dataset.jsonl" "$folder/killed/dataset.jsonl"
cmp "$folder/whole/model/model.gguf" "$folder/killed/model/model.gguf"
if find "$folder/killed" -name '*.partial*' | grep .; then echo "half-written files are left"; exit 1; fi
echo "killed $kills times: the same data set ($(wc -l <"$folder/whole/dataset.jsonl") rows) and the same weights"
[ "$kills" -gt 0 ] || { echo "no kill met the job: the machine is too fast for this test's waits"; exit 1; }
echo "1 cases passed"
