# A program that writes a line and waits for the answer gets it.
mkfifo in
"$T" score --model "$MODELS/llama" --json <in >out &
exec 3>in
echo '{"text":"the"}' >&3
i=0
while [ ! -s out ] && [ $i -lt 200 ]; do sleep 0.1; i=$((i + 1)); done
[ -s out ] || echo "no answer"
exec 3>&-
wait
wc -l <out
