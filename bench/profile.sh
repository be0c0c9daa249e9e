#!/bin/sh
# profile.sh [PROGRAM [TURNS]]: where scoring and training spend their time: the first five functions of each, with
# perf (Debian's package linux-perf). Opening a model, the kernel, and what bench does to measure its limits are left
# out of the shares.
set -eu
program=${1:-build/toolformer}
turns=${2:-5}
command -v perf >/dev/null || { echo "profile.sh: no perf; apt-get install linux-perf" >&2; exit 1; }
data=$(mktemp)
trap 'rm -f "$data"' EXIT

profile() {
    perf record -q -e cpu-clock -o "$data" "$program" bench --only "$1" --turns "$turns" |
        grep -v -e operands -e multiply-add -e "reading memory"
    perf report -q --stdio --no-children --percent-limit 0 --sort symbol -i "$data" 2>/dev/null |
        grep -F '[.]' | sed 's/\[.\]//' |
        awk '$2 ~ /read_part|_peak$|pack_task|^pack$|dequantize|_quantize|^__mem|check_finite|vocab|bpe|hash_bytes/ { next }
             NF >= 2 { share[++n] = $1 + 0; name[n] = $2; sum += $1 }
             END { for (i = 1; i <= 5 && i <= n; i++) printf "    %5.1f %%  %s\n", 100 * share[i] / sum, name[i] }'
}

profile "score 40 texts of"
profile "decode 1 stream, weights as stored"
profile "train"
