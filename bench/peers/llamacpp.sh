#!/usr/bin/env bash
# Builds llama.cpp's own bench tools and its server for this machine, from the llama-cpp-python source archive, and prints their folder.
# usage: bench/peers/llamacpp.sh [FOLDER]      default: build/peers/llamacpp; about 20 minutes on 2 cores, once
set -euo pipefail
version=0.3.36
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=${1:-$root/build/peers/llamacpp}
source=$folder/llama_cpp_python-$version/vendor/llama.cpp
targets=(llama-bench llama-batched-bench llama-completion llama-quantize llama-server)

mkdir -p "$folder"
if [[ ! -d $source ]]; then
  python3 -m pip download --quiet --no-deps --no-binary :all: --no-build-isolation --dest "$folder" \
    "llama-cpp-python==$version" >&2
  tar -xf "$folder/llama_cpp_python-$version.tar.gz" -C "$folder"
fi
if [[ ! -x $source/build/bin/llama-server ]]; then
  cmake -S "$source" -B "$source/build" -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DLLAMA_BUILD_TESTS=OFF \
    -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF >&2
  cmake --build "$source/build" --target "${targets[@]}" -j "$(nproc)" >&2
fi
echo "$source/build/bin"
