long_model
printf 'the total of 12 and 30 is 42' | "$T" explain --model "$LONG" --call 'Calculator(12 + 30)' --at 24 --json
