# A tool that dies in a run: the run stops, says which and why, and goes on when the tool is back.
long_model
head -n 6 "$CORPUS" >corpus.jsonl
script() { # what it does
    printf '#!/bin/sh\n%s\n' "$1" >length.sh
    chmod +x length.sh
}
cat >length.json <<'END'
{"name": "Length", "description": "How long an expression is.", "instruction": "Add calls of Length.",
 "args": {"form": "expression"}, "k": 5, "m": 5, "retries": 1, "retry_backoff_ms": 1,
 "demonstrations": [{"input": "A sum of 1 and 2 is 3.", "output": "A sum of 1 and 2 is [Length(1 + 2)] 3."}],
 "backend": {"type": "command", "argv": ["./length.sh", "{args}"]}}
END
annotate() {
    "$T" annotate --model "$LONG" --corpus corpus.jsonl --tools ./length.json --recipe small --tau-f -100 \
        --head none --threads 2 --quiet --run r --json
}
script 'exit 9'
annotate
echo "exit $?"
script 'echo "${#1}"'
annotate >result || exit
grep -o '"failed":[0-9]*' result
grep -o '"tool":"Length","calls":[1-9]' result | cut -c1-23
"$T" report --run r --quiet
grep -o '<h2>What the tools did</h2>' r/report.html
