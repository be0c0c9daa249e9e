# A word problem that stands in a text, told in other letters; the other one does not.
echo '{"id":"t1","text":"So: a farmer has 12 sheep and buys 9 more, then he SELLS (four) of them again. Good."}' >c.jsonl
echo '{"id":"t2","text":"A farmer has 12 cows and buys 9 more, then he sells four of them again."}' >>c.jsonl
echo '{"ID":"q","Body":"A farmer has 12 sheep and buys 9 more, then he sells four of them again.","Question":"How many has he?","Answer":17}' >s.jsonl
"$T" overlap --corpus c.jsonl --task svamp --data s.jsonl
"$T" overlap --corpus c.jsonl --task svamp --data s.jsonl --json
"$T" overlap --corpus c.jsonl --task svamp
