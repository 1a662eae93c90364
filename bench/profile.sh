#!/usr/bin/env bash
# Time by kernel of one pass of the network on a warm device, recorded by CUPTI: all in FOLDER/kernels.txt, the largest on stdout.
#   bench/profile.sh FOLDER [arch] [precision] [batch]
# Needs a CUDA toolkit with CUPTI (CUDA_HOME) and g++.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?"usage: bench/profile.sh FOLDER [arch] [precision] [batch]"}
shift
mkdir -p "$folder"
cuda=${CUDA_HOME:-/usr/local/cuda}
g++ -std=c++17 -O2 -shared -fPIC bench/kernel_times.cpp -o "$folder/libkernel_times.so" \
  -I"$cuda/include" -I"$cuda/extras/CUPTI/include" -L"$cuda/lib64" -L"$cuda/extras/CUPTI/lib64" -lcupti
passes=$(LD_LIBRARY_PATH="$cuda/lib64:$cuda/extras/CUPTI/lib64:${LD_LIBRARY_PATH-}" \
  CUDA_INJECTION64_PATH="$folder/libkernel_times.so" KERNEL_TIMES="$folder/records.txt" \
  node bench/profile.mjs run "$@")
node bench/profile.mjs table "$folder/records.txt" "$passes" >"$folder/kernels.txt"
head -n 30 "$folder/kernels.txt"
