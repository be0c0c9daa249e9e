#!/bin/sh
# The whole loop on examples/demo: prompts before, annotate, filter, train, the same prompts after, a report.
# Goes on where it was stopped. DEMO_RUN names another folder than runs/demo.
set -eu
cd "$(dirname "$0")/.."
run=${DEMO_RUN:-runs/demo}
start=$(date +%s)

say() { printf '\n== %s (%d s)\n' "$1" "$(($(date +%s) - start))"; }

say "packages, build, model"
./scripts/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release -j "$(nproc)" --target toolformer >/dev/null
./build/toolformer model fetch
mkdir -p "$run"

ask() { # file, further options
    out=$1; shift
    ./build/toolformer eval --data examples/demo/prompts.jsonl --tools Calculator,Calendar \
        --top-k 3 --max-tokens 64 --json "$@" >"$out.partial"
    mv "$out.partial" "$out"
}

say "20 prompts, before"
[ -s "$run/eval-before.jsonl" ] || ask "$run/eval-before.jsonl"
say "the model teaches itself"
# A lesson as short as this one forgets nothing that the base model's weights would have to bring back.
./build/toolformer run --corpus examples/demo/corpus.jsonl --tools Calculator,Calendar --recipe small --base-share 0 \
    --out "$run"
say "the same prompts, after"
ask "$run/eval-after.jsonl" --model "$run/model"
./build/toolformer report --run "$run" --quiet

say "result"
python3 - "$run" <<'PYTHON'
import json, sys
run = sys.argv[1]
def rows(name):
    return [json.loads(line) for line in open(f"{run}/{name}", encoding="utf-8")]
before, after = rows("eval-before.jsonl"), rows("eval-after.jsonl")
for row in after[:-1]:
    print(("right  " if row["correct"] else "wrong  ") + row["prompt"][-60:].replace("\n", " ") + " |" + row["output"][:90].replace("\n", " "))
for name, total in (("before", before[-1]), ("after", after[-1])):
    print(f"{name}: {round(total['called_share'] * total['n'])} of {total['n']} called a tool, {total['called_right']} the right one, "
          f"{total['correct_through']} answered right through it")
summary = json.load(open(f"{run}/summary.json", encoding="utf-8"))
annotated, control = summary["annotate"], summary["control"]
print(f"calls kept: {summary['filter']['calls']} in {summary['filter']['texts']} of {annotated['snippets']} texts, "
      f"{100 * summary['filter']['calls'] / annotated['snippets']:.0f} per 100 texts")
if control["n"]:
    print(f"of {control['n']} calls judged again: {100 * control['kept_own'] / control['n']:.0f} % pass with their own results, "
          f"{100 * control['kept_other'] / control['n']:.0f} % with shuffled ones")
print("saved by exact pruning: " + ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in annotated["pruned"].items()))
print("seconds: " + ", ".join(f"{key} {value:.0f}" for key, value in summary["seconds"].items()))
PYTHON
echo "report: $run/report.html, model: $run/model; $(($(date +%s) - start)) s in all"
