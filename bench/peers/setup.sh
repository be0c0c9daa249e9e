#!/bin/sh
# What the comparison needs, all under build/peers: a virtual environment with llama-cpp-python built from its PyPI
# source package (20 minutes on two cores), this program, and the model in the types compared.
# --wheel FILE takes a wheel that was built before.
set -eu
cd "$(dirname "$0")/../.."
out=build/peers
llama_version=0.3.36
numpy_version=2.4.6
wheel=""
while [ $# -gt 0 ]; do
    case "$1" in
    --wheel) wheel=$2; shift 2 ;;
    *) echo "usage: bench/peers/setup.sh [--wheel FILE]" >&2; exit 2 ;;
    esac
done

mkdir -p "$out"
[ -x "$out/venv/bin/python" ] || python3 -m venv "$out/venv"
pip="$out/venv/bin/python -m pip --quiet install"
$pip "numpy==$numpy_version"
if ! "$out/venv/bin/python" -c 'import llama_cpp' 2>/dev/null; then
    if [ -n "$wheel" ]; then
        $pip "$wheel"
    else
        echo "building llama-cpp-python $llama_version (about 20 minutes)" >&2
        $pip --no-binary llama-cpp-python "llama-cpp-python==$llama_version"
    fi
fi

cmake -S . -B "$out/lib" -DCMAKE_BUILD_TYPE=Release -DTFC_PEERS=ON >/dev/null
cmake --build "$out/lib" --target tfc_peers toolformer -j "$(nproc)" >/dev/null

# The default model is 4-bit as downloaded. Its other types are written by our own export, so that all of them hold the
# same numbers; Q4_0, the peer's fastest 4-bit type, by the peer's quantizer from the f32 file.
program="$out/lib/toolformer"
"$program" model fetch >/dev/null
for type in BF16 F16 Q8_0 F32; do
    file="$out/model.$type.gguf"
    [ -f "$file" ] || "$program" model export --type "$type" --out "$file" >/dev/null
done
[ -f "$out/model.Q4_0.gguf" ] || "$out/venv/bin/python" bench/peers/llama_lib.py quantize \
    "$out/model.F32.gguf" "$out/model.Q4_0.gguf"
