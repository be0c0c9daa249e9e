# A tiny experiment from texts to tables; again: nothing is run; killed and stopped on the way: the same tables.
long_model
head -n 6 "$CORPUS" >corpus.jsonl
cat >questions.jsonl <<'END'
{"id":"a","question":"Sam has 3 apples and buys 4 more. How many has he?","answer":"7"}
{"id":"b","question":"How much is 12 times 4?","answer":"48"}
END
cat >tiny.json <<END
{"name":"tiny","description":"Two seeds on a model that knows nothing.","model":"$LONG",
 "corpora":[{"file":"corpus.jsonl"},{"file":"\${DATA}/none.jsonl","optional":true}],
 "tools":"Calculator","recipe":{"base":"small","tau_f":-100,"train":{"batch":2,"max_tokens":64}},
 "train":{"steps":3,"mask_results":true},"seeds":[0,1],"eval_at_steps":[1],"subsets":[0.5],"rounds":2,
 "systems":["base","base_tools","plain","disabled","taught"],
 "evaluations":[{"name":"Q","data":"questions.jsonl","max_tokens":4}],
 "ablations":[{"name":"shuffled","filter":{"results":"shuffled"},"seeds":[0],"rounds":1},
              {"name":"few","description":"Three texts.","corpora":[{"file":"corpus.jsonl","limit":3}],"systems":[]}]}
END
unset TOOLFORMER_TEST_DATA
start() { "$T" experiment tiny.json --out "$1" --threads 1 --quiet >"$1.md"; }
# all but the hours
tables() { sed 's/ [0-9.]* | [0-9.]* |$//' "$1/results.md"; }
start r || exit
grep -c '^| Q |' r/results.md
grep -o '"stages":[0-9]*,"stages_left":[0-9]*' r/results.json
grep '^| few |' r/results.md
ls r
cmp r/results.md r.md
# a part of the calls is a part of the rows
cat r/stages/subset-*/dataset.jsonl | sort -u >part
cat r/stages/filter-*/dataset.jsonl | sort -u | comm -23 part - | wc -l
grep -o '<svg' r/report.html | wc -l
grep -o 'http' r/report.html | wc -l
before=$(cat r/stages/*/stage.json | cksum)
start r || exit
[ "$before" = "$(cat r/stages/*/stage.json | cksum)" ] || echo "something was run again"
for n in 1 2 3 4 5 6 7 8; do
    timeout -s KILL 0.$((n * 3 % 10)) "$T" experiment tiny.json --out s --threads 2 --quiet >/dev/null 2>&1
done
start s || exit
tables r >r.tables
tables s | cmp - r.tables
timeout -s INT 0.2 "$T" experiment tiny.json --out i --threads 1 --quiet >/dev/null 2>&1
start i || exit
tables i | cmp - r.tables
find r -name '*.ckpt' -size +100k
"$T" experiment tiny.json --out r --plan 2>&1 | grep -c 'toolformer: done'
