#!/bin/sh
# The default experiment: texts, annotation, training, evaluation, tables in runs/default (EXPERIMENT_RUN: another
# folder). TOOLFORMER_TEST_DATA: the folder with math/*.jsonl; without it only the dates are evaluated. It goes on
# where it was stopped. Another file's name as the argument runs that experiment. Further arguments are passed on.
set -eu
cd "$(dirname "$0")/.."
file=${1:-examples/experiments/default.json}
[ $# -eq 0 ] || shift
texts=examples/experiments/texts
mkdir -p "$texts"
write() { # file, command...
    out=$texts/$1; shift
    "$@" >"$out.partial"
    mv "$out.partial" "$out"
}
write stories.jsonl python3 examples/experiments/stories/make_texts.py --seed 1 --fill 2
write exercises.jsonl python3 examples/experiments/stories/make_texts.py --seed 5 --fill 2 --words 0.25 \
    --frames examples/experiments/stories/exercises.jsonl --name exercise
write problems.jsonl python3 examples/experiments/stories/make_problems.py --seed 1 --n 2000
write dates.jsonl python3 examples/experiments/dates/make_texts.py --seed 1 --n 1500
# The same texts with other words before the result, for an ablation.
for name in stories exercises problems; do
    write "$name-other.jsonl" sed 's/The answer is \([^"]*\)"/That makes \1"/' "$texts/$name.jsonl"
done
# What the untaught model writes by itself; some minutes, so it is written once.
if [ ! -f "$texts/plain.jsonl" ]; then
    write prompts.txt python3 examples/experiments/plain/make_prompts.py
    write plain.json ./build/toolformer generate --prompts "$texts/prompts.txt" --tools none --temperature 1 \
        --sample-top-k 40 --max-tokens 96 --seed 1 --kv-mb 1024
    write plain.jsonl python3 examples/experiments/plain/make_texts.py <"$texts/plain.json"
fi
exec ./build/toolformer experiment "$file" --out "${EXPERIMENT_RUN:-runs/$(basename "$file" .json)}" --kv-mb 1024 "$@"
