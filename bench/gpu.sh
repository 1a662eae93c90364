#!/usr/bin/env bash
# All benches of a GPU in one go, one after the other; each one's output in a file of the folder, progress on stderr.
#   bench/gpu.sh FOLDER [bandwidth GB/s] [rate TFLOP/s]
# bandwidth and rate: what a copy within the device and a bfloat16 matrix product reach there, for the floors.
# Needs a built addon with the CUDA kernels. A bench that fails or takes too long is named; the others go on.
set -uo pipefail
cd "$(dirname "$0")/.."
folder=${1:?"usage: bench/gpu.sh FOLDER [GB/s] [TFLOP/s]"} bandwidth=${2:-0} rate=${3:-0}
mkdir -p "$folder"
status=0

bench() { # seconds, file, script, arguments…
  local seconds=$1 file=$2 start=$SECONDS
  shift 2
  # A process that waits for the device ends by nothing less than KILL.
  if timeout -s KILL "$seconds" node "bench/$@" >"$folder/$file" 2>"$folder/$file.log"; then
    echo "$file: $((SECONDS - start)) s" >&2
  else
    echo "$file: FAILED after $((SECONDS - start)) s; see $folder/$file.log" >&2
    status=1
  fi
}

bench 60 network-ops.txt network-ops.mjs cuda
bench 20 score-loss.txt score-loss.mjs cuda
bench 130 forward.json forward.mjs cuda dinov3_vit7b16_ade20k_m2f "$rate" 32
bench 90 seven-billion.json seven-billion.mjs "" dinov3_vit7b16_ade20k_m2f cuda 8
UV_THREADPOOL_SIZE=$(nproc) bench 130 cache-pass.json cache-pass.mjs cuda dinov3_vit7b16_ade20k_m2f 500
bench 50 load.json load.mjs cuda dinov3_vit7b16_ade20k_m2f bfloat16
bench 60 train.txt train.mjs cuda 512 "$bandwidth"
bench 240 probes.json probes.mjs cuda 200
bench 120 whole-training.json whole-training.mjs cuda dinov3_vitl16 500
bench 60 eomt.json eomt.mjs cuda dinov3_vitl16_eomt
bench 60 detector.json detector.mjs cuda dinov3_vit7b16_coco_detr "$rate"
UV_THREADPOOL_SIZE=$(nproc) bench 120 features.json features.mjs cuda dinov3_vit7b16_ade20k_m2f dinov3_vit7b16_coco_detr 160
bench 400 extraction.txt extraction.mjs 10000 20 cuda dinov3_vit7b16_ade20k_m2f dinov3_vit7b16_coco_detr
exit $status
