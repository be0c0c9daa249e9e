# A run with a tool of one's own, replayed with every tool gone: the same data set. Then the tool changed: a diff.
long_model
head -n 2 "$CORPUS" >corpus.jsonl
cat >length.sh <<'END'
#!/bin/sh
case $1 in *0*) echo "no zeros" >&2; exit 1 ;; esac
echo "${#1}"
END
chmod +x length.sh
cat >length.json <<'END'
{"name": "Length", "description": "How long an expression is.", "instruction": "Add calls of Length.",
 "args": {"form": "expression"}, "k": 3, "m": 2, "cache": "never",
 "demonstrations": [{"input": "A sum of 1 and 2 is 3.", "output": "A sum of 1 and 2 is [Length(1 + 2)] 3."}],
 "backend": {"type": "command", "argv": ["./length.sh", "{args}"]}}
END
annotate() {
    "$T" annotate --model "$LONG" --corpus corpus.jsonl --recipe small --tau-f -100 --threads 2 --quiet "$@"
}
annotate --tools ./length.json,Calculator --run first >/dev/null || exit
"$T" filter --run first --quiet >/dev/null || exit
grep -q '"tool":"Length"' first/dataset.jsonl || echo "no call of Length"
"$T" tool diff first | sed 's/of [0-9]* calls/of N calls/'
mkdir gone && mv length.sh length.json gone
annotate --tools ./length.json,Calculator --run second --replay first --no-overlap >/dev/null || exit
"$T" filter --run second --quiet >/dev/null || exit
cmp first/dataset.jsonl second/dataset.jsonl && echo "the same"
annotate --tools Calculator,DateCalc --run third --replay first
sed 's/{#1}/{#1} letters/' gone/length.sh >length.sh && chmod +x length.sh && mv gone/length.json .
"$T" tool diff second >changes
echo "exit $?"
grep -q '^Length(.*): [0-9]* -> [0-9]* letters$' changes && echo "changed"
tail -n 1 changes | sed 's/[0-9][0-9]*/N/g'
"$T" tool diff absent
