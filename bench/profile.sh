#!/usr/bin/env bash
# Time by kernel of one pass of the network, by Nsight Compute's ncu.
#   bench/profile.sh FOLDER [arch] [precision] [batch]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?"usage: bench/profile.sh FOLDER [arch] [precision] [batch]"}
shift
mkdir -p "$folder"
ncu --metrics gpu__time_duration.sum --clock-control none --cache-control none --csv --log-file "$folder/kernels.csv" \
  --target-processes all node bench/profile.mjs run "$@"
node bench/profile.mjs table "$folder/kernels.csv" | tee "$folder/kernels.txt" | head -70
