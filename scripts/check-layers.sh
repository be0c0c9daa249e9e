#!/bin/sh
# Fails when an include runs against the arrows of docs/ARCHITECTURE.md: a folder of src/ may include itself
# and the folders before it in this list; cli/ sees include/toolformer/ alone.
set -eu
cd "${1:-.}"
layers="base lang kernels formats calls text search model engine tools corpus annotate train decode eval report experiment bench serve"
status=0
allowed=""
for layer in $layers; do
    allowed="$allowed $layer"
    [ -d "src/$layer" ] || continue
    for file in src/"$layer"/*.c src/"$layer"/*.cpp src/"$layer"/*.h; do
        [ -f "$file" ] || continue
        for target in $(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([a-z]*\)\/.*/\1/p' "$file"); do
            case " $allowed toolformer " in
            *" $target "*) ;;
            *) echo "$file: includes $target/, which stands above $layer/"; status=1 ;;
            esac
        done
        if grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"\.\.' "$file"; then
            echo "$file: includes by a path that climbs"; status=1
        fi
    done
done
for folder in src/*/; do
    name=$(basename "$folder")
    case " $layers " in *" $name "*) ;; *) echo "src/$name is in no layer"; status=1 ;; esac
done
if [ -d cli ] && grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"(base|lang|kernels|formats|calls|text|search|model|engine|tools|corpus|annotate|train|decode|eval|report|experiment|bench|serve)/' cli/*.[ch]; then
    echo "cli/ may include include/toolformer/ alone"; status=1
fi
duplicates=$(find src cli -name '*.[ch]' -printf '%f\n' | sort | uniq -d)
[ -z "$duplicates" ] || { echo "file names that stand twice: $duplicates"; status=1; }
exit $status
