# The example of docs/OWN_TOOL.md: its calls pass, its texts are the ones that its script writes.
example=$(dirname "$CORPUS")/../unit_converter
"$T" tool test --repeats 1 "$example/convert.json" | sed 's/ *[0-9.]* ms/ N ms/g'
"$T" tool call "$example/convert.json" 'to=litres, quantity="1,000 gallons"'
"$T" tool call "$example/convert.json" '5 miles, litres'
"$T" tool call "$example/convert.json" '5 leagues, miles'
cp "$example"/*.py . && python3 make_texts.py && cmp texts.jsonl "$example/texts.jsonl" && cmp prompts.jsonl "$example/prompts.jsonl"
[ "$("$T" tool new Convert --command ./convert.py --lines | head -n 1)" = "{" ]
