#!/bin/sh
# run.sh PROGRAM CASE.sh: runs a case in an empty folder and compares what it printed.
#
# Beside CASE.sh stand CASE.stdout, CASE.stderr (absent: nothing may be printed) and CASE.exit (absent: 0).
# With .glob behind the name, `*` in it stands for any text. A case sees $T (the program), $MODELS (tiny
# models), $CORPUS (the demonstration corpus) and $LONG (a tiny model with a long context, by `long_model`).
set -u
T=$1
case_file=$2
base=${case_file%.sh}
cases=$(cd "$(dirname "$case_file")" && pwd)
MODELS=$(cd "$cases/../../fixtures/models" && pwd)
CORPUS=$(cd "$cases/../../../examples/demo" && pwd)/corpus.jsonl
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export T MODELS CORPUS LONG="$work/long"
export HOME="$work/home" LC_ALL=C
unset TOOLFORMER_HOME TOOLFORMER_INDEX TFC_CPU
mkdir "$HOME" "$work/here"
case $(cat "$case_file") in *long_model*)
    cp -r "$MODELS/llama" "$LONG"
    chmod -R u+w "$LONG"
    sed -i 's/"max_position_embeddings": *[0-9]*/"max_position_embeddings": 8192/' "$LONG/config.json" ;;
esac
(cd "$work/here" && sh -c 'long_model() { :; }; . "$0"' "$cases/$(basename "$case_file")") \
    >"$work/stdout" 2>"$work/stderr" </dev/null
code=$?

failed=0
# compare NAME: the expected text, exactly or with `*`. A dot at the end keeps the last line breaks.
compare() {
    actual=$(cat "$work/$1"; echo .)
    if [ -f "$base.$1.glob" ]; then
        expected=$(sed 's/[][?\\]/\\&/g' "$base.$1.glob"; echo .)
        case $actual in $expected) return ;; esac
    else
        expected=$([ ! -f "$base.$1" ] || cat "$base.$1"; echo .)
        [ "$actual" = "$expected" ] && return
    fi
    failed=1
    echo "--- $1, expected:"
    cat "$base.$1" "$base.$1.glob" 2>/dev/null
    echo "--- $1, printed:"
    cat "$work/$1"
}
compare stdout
compare stderr
wanted=0
[ ! -f "$base.exit" ] || wanted=$(cat "$base.exit")
if [ "$code" -ne "$wanted" ]; then
    echo "--- exit: expected $wanted, was $code"
    failed=1
fi
exit $failed
