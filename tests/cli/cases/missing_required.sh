for line in "explain --at 3" "explain --call X(1)" "train --out x" "train --data x" "annotate --run x" \
    "annotate --corpus x" "filter" "run --corpus x" "run --out x" "export --run x" "tool call" "model export"; do
    "$T" $line
    echo $?
done 2>&1
