long_model
"$T" generate --model "$LONG" --tools none --ignore-eos --max-tokens 1000000 --cpu ref the >out &
child=$!
i=0
while [ ! -s out ] && [ $i -lt 200 ]; do sleep 0.1; i=$((i + 1)); done
kill -TERM $child
wait $child
