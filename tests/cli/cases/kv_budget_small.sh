# long_model: 6,000 tokens need 2 MiB of keys and values.
{ printf "{\"ids\":[5"; yes ",5" | head -n 5999 | tr -d "\n"; echo "]}"; } | "$T" score --model "$LONG" --kv-mb 1
