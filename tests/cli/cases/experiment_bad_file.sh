# Every kind of broken file: one error with file and field.
cp "$CORPUS" corpus.jsonl
echo '{"question":"Two and two?","answer":"4"}' >q.jsonl
unset TOOLFORMER_TEST_DATA
try() {
    printf '%s' "$1" >e.json
    "$T" experiment e.json --out r --quiet --model "$MODELS/llama" >/dev/null 2>errors && echo "accepted: $1"
    [ "$(wc -l <errors)" -eq 1 ] || echo "not one line: $1"
    cat errors
}
good='"name":"n","corpora":[{"file":"corpus.jsonl"}]'
try '{"name":"n"'
try '[]'
try '{"corpora":[{"file":"corpus.jsonl"}]}'
try '{"name":"n"}'
try '{"name":"n","corpora":[{"file":"absent.jsonl"}]}'
try '{"name":"n","corpora":[{"file":"absent-*.jsonl"}]}'
try '{"name":"n","corpora":[{"file":"${DATA}/x.jsonl"}]}'
try '{"name":"n","corpora":[{"file":"${HOME}/x.jsonl"}]}'
try '{"name":"n","corpora":[{"file":"${DATA/x.jsonl"}]}'
try '{"name":"n","corpora":[{"file":"absent.jsonl","optional":true}]}'
try '{"name":"n","corpora":[{"file":"corpus.jsonl","share":2}]}'
try '{"name":"n","corpora":[{"file":"corpus.jsonl","limit":0}]}'
try '{"name":"n","corpora":["corpus.jsonl"]}'
try "{$good,\"tools\":\"Abacus\"}"
try "{$good,\"recipe\":\"large\"}"
try "{$good,\"recipe\":{\"contekst\":\"prefix\"}}"
try "{$good,\"recipe\":{\"context\":\"behind\"}}"
try "{$good,\"recipe\":3}"
try "{$good,\"train\":{\"lr\":-1}}"
try "{$good,\"train\":{\"steps\":1.5}}"
try "{$good,\"train\":{\"learning_rate\":1}}"
try "{$good,\"train\":[]}"
try "{$good,\"seeds\":[1,1]}"
try "{$good,\"seeds\":[-1]}"
try "{$good,\"seeds\":7}"
try "{$good,\"systems\":[\"teached\"]}"
try "{$good,\"subsets\":[0.5,0.1]}"
try "{$good,\"eval_at_steps\":[0]}"
try "{$good,\"rounds\":0}"
try "{$good,\"filter\":{\"tau\":1}}"
try "{$good,\"filter\":{\"choose\":\"best\"}}"
try "{$good,\"evaluations\":[{\"task\":\"chess\",\"data\":\"q.jsonl\"}]}"
try "{$good,\"evaluations\":[{\"data\":\"absent.jsonl\"}]}"
try "{$good,\"evaluations\":[{\"name\":\"Q\"}]}"
try "{$good,\"evaluations\":[{\"data\":\"q.jsonl\"},{\"data\":\"q.jsonl\"}]}"
try "{$good,\"evaluations\":[{\"data\":\"q.jsonl\",\"k\":\"ten\"}]}"
try "{$good,\"evaluations\":[{\"data\":\"q.jsonl\",\"tools\":\"Abacus\"}]}"
try "{$good,\"evaluations\":[{\"task\":\"svamp\",\"data\":\"q.jsonl\"}]}"
try "{$good,\"ablations\":[{\"seeds\":[3]}]}"
try "{$good,\"ablations\":[{\"name\":\"a\"},{\"name\":\"a\"}]}"
try "{$good,\"ablations\":[{\"name\":\"a\",\"model\":\"x\"}]}"
try "{$good,\"ablations\":[{\"name\":\"a\",\"train\":{\"lr\":7}}]}"
try "{$good,\"evaluate\":[\"Q\"]}"
try "{$good,\"kinds\":[\"stories\"]}"
try "{$good,\"forget\":{\"limit\":-1}}"
try "{$good,\"color\":1}"
try "{$good,\"ablations\":[{\"name\":\"a|b\"}]}"
rm e.json
"$T" experiment e.json --out r --model "$MODELS/llama"
"$T" experiment e.json
