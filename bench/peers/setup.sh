#!/bin/sh
# What the comparisons need, all under build/peers: this program, and the peers that are named (llama when none is):
#   llama         a virtual environment with llama-cpp-python, built from its PyPI source package (20 minutes on two
#                 cores); --wheel FILE takes a wheel that was built before
#   llmc          a clone of llm.c, built by its own Makefile; --source DIR clones from there
#   transformers  a virtual environment with torch and transformers (5 GB as PyPI has torch; where
#                 PIP_EXTRA_INDEX_URL names PyTorch's index of CPU wheels, 1 GB)
set -eu
llama_version=0.3.36
numpy_version=2.4.6
torch_version=2.15.0
transformers_version=5.24.0
wheel=""
source=https://github.com/karpathy/llm.c
peers=""
while [ $# -gt 0 ]; do
    case "$1" in
    --wheel) wheel=$(realpath "$2"); shift 2 ;;
    --source) source=$(realpath "$2"); shift 2 ;;
    llama | llmc | transformers) peers="$peers $1"; shift ;;
    *) echo "usage: bench/peers/setup.sh [--wheel FILE] [--source DIR] [llama] [llmc] [transformers]" >&2; exit 2 ;;
    esac
done
cd "$(dirname "$0")/../.."
out=build/peers
program="$out/lib/toolformer"

# An environment with numpy, which the scripts themselves want.
environment() {
    [ -x "$out/$1/bin/python" ] || python3 -m venv "$out/$1"
    install "$1" "numpy==$numpy_version"
}

install() {
    venv=$1
    shift
    "$out/$venv/bin/python" -m pip --quiet install "$@"
}

# The default model is 4-bit as downloaded. Its other types are written by our own export, so that all of them hold the
# same numbers; Q4_0, llama.cpp's fastest 4-bit type, by its quantizer from the f32 file.
setup_llama() {
    environment venv
    if ! "$out/venv/bin/python" -c 'import llama_cpp' 2>/dev/null; then
        if [ -n "$wheel" ]; then
            install venv "$wheel"
        else
            echo "building llama-cpp-python $llama_version (about 20 minutes)" >&2
            install venv --no-binary llama-cpp-python "llama-cpp-python==$llama_version"
        fi
    fi
    "$program" model fetch >/dev/null
    for type in BF16 F16 Q8_0 F32; do
        file="$out/model.$type.gguf"
        [ -f "$file" ] || "$program" model export --type "$type" --out "$file" >/dev/null
    done
    [ -f "$out/model.Q4_0.gguf" ] || "$out/venv/bin/python" bench/peers/llama_lib.py quantize \
        "$out/model.F32.gguf" "$out/model.Q4_0.gguf"
}

setup_llmc() {
    environment venv
    [ -d "$out/llm.c" ] || git clone --quiet "$source" "$out/llm.c"
    make -C "$out/llm.c" CC=gcc train_gpt2 >/dev/null
}

setup_transformers() {
    environment torch-venv
    if ! "$out/torch-venv/bin/python" -c 'import torch, transformers' 2>/dev/null; then
        echo "installing torch $torch_version (several gigabytes)" >&2
        install torch-venv "torch==$torch_version" "transformers==$transformers_version"
    fi
    "$program" model fetch >/dev/null
    [ -d "$out/model.F32" ] || "$program" model export --format safetensors --type F32 --out "$out/model.F32" >/dev/null
}

mkdir -p "$out"
cmake -S . -B "$out/lib" -DCMAKE_BUILD_TYPE=Release -DTFC_PEERS=ON >/dev/null
cmake --build "$out/lib" --target tfc_peers toolformer -j "$(nproc)" >/dev/null
for peer in ${peers:-llama}; do
    "setup_$peer"
done
