# A model that was made worse on purpose is not passed on, unless it is forced; the figure is measured once.
long_model
for i in 1 2 3 4 5 6 7 8; do echo '{"text":"qqq zzz qqq zzz qqq zzz xxx xxx qqq vvv"}'; done >noise.jsonl
"$T" train --model "$LONG" --data noise.jsonl --out r --steps 20 --batch 8 --lr 0.02 --warmup-share 0 --dev-share 0 --quiet >/dev/null || exit
"$T" export --run r --format gguf --model "$LONG" --quiet 2>refused && echo "was exported"
sed 's/rose from .*; train/rose from A to B; train/' refused
[ -e r/model.export.gguf ] && echo "a file was written"
"$T" export --run r --format gguf --model "$LONG" 2>&1 | grep -c perplexity:
"$T" export --run r --format gguf --model "$LONG" --force
"$T" export --run r --format gguf --model "$LONG" --max-forget 100000 --out other.gguf
# the run's own base is not known and there is no default model
"$T" export --run r --format gguf --quiet
# a model that learnt nothing forgot nothing
"$T" train --model "$LONG" --data noise.jsonl --out s --steps 1 --batch 1 --lr 0 --dev-share 0 --quiet >/dev/null || exit
"$T" export --run s --format gguf --model "$LONG" --quiet
