# Every byte that UTF-8 text can hold, but NUL, comes back.
printf 'tabs\t, lines\r\n\n, sp  aces, \303\251\342\202\254\360\237\230\200 [Calculator(1) -> 1], <|im_end|>' >text
"$T" tokenize --model "$MODELS/llama" <text >ids
"$T" detokenize --model "$MODELS/llama" <ids | cmp - text
"$T" tokenize --model "$MODELS/llama" --json <text >ids.json
"$T" detokenize --model "$MODELS/llama" <ids.json | cmp - text
