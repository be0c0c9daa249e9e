# A prompt a line, a JSON line of each, the same as each alone; more prompts than the keys' memory holds at once.
for n in 1 2 3 4 5 6 7 8 9; do echo "the $n"; done >prompts.txt
options="--model $MODELS/llama --cpu ref --operand f32 --tools none --max-tokens 40 --ignore-eos --quiet"
"$T" generate $options --prompts prompts.txt >all.jsonl || exit
"$T" generate $options --prompts prompts.txt --kv-mb 1 | cmp - all.jsonl
while read -r line; do "$T" generate $options --json "$line"; done <prompts.txt | cmp - all.jsonl
wc -l <all.jsonl
: >empty.txt
"$T" generate $options --prompts empty.txt
"$T" generate $options --prompts absent.txt
"$T" generate $options --prompts prompts.txt a prompt
