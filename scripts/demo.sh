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
    ./build/toolformer eval --data examples/demo/prompts.jsonl --tools Calculator,Calendar --recipe small \
        --max-tokens 64 --json "$@" >"$out.partial"
    mv "$out.partial" "$out"
}

say "20 prompts, before"
[ -s "$run/eval-before.jsonl" ] || ask "$run/eval-before.jsonl"
say "the model teaches itself"
./build/toolformer run --corpus examples/demo/corpus.jsonl --tools Calculator,Calendar --recipe small --out "$run"
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
print(f"calls kept per 100 texts: {summary['filter']['calls_per_100_texts']:.1f}" if "calls_per_100_texts" in summary["filter"] else "", end="")
control = summary["control"]
if control["n"]:
    print(f"\nkept with their own results: {100 * control['kept_own'] / control['n']:.0f} %, with shuffled results: {100 * control['kept_other'] / control['n']:.0f} %")
PYTHON
echo "report: $run/report.html, model: $run/model; $(($(date +%s) - start)) s in all"
