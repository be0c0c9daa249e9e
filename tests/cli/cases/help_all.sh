# Every command that the program lists explains itself, on stdout, with an example.
"$T" --help | sed -n '/^commands:/,/^$/p' | awk 'NF > 1 && $1 != "commands:" {print $1}' >commands
for command in $(cat commands) "tool list" "tool show" "tool call" "model info" "model fetch" "model export"; do
    "$T" $command --help >text || echo "$command: exit $?"
    grep -q "^usage: toolformer $command" text || echo "$command: no usage"
    grep -q "^example:" text || echo "$command: no example"
    grep -q -- "--model" text || echo "$command: no common options"
done
[ "$(wc -l <commands)" -ge 10 ] || echo "few commands"
