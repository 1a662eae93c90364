#!/usr/bin/env bash
# All benches of a GPU, one after the other; each one's output in a file of the folder, progress on stderr.
#   bench/gpu.sh FOLDER [bandwidth GB/s] [rate TFLOP/s] [NAME…]
# bandwidth and rate: what a copy within the device and a bfloat16 matrix product reach there, for the floors; 0: no floors.
# NAME…: these alone, such as forward, profile or reference-forward. Each bench has a time limit; all end within an hour.
#
# Needs a built addon with the CUDA kernels and, for the 7B, 40 GB of GPU memory (its float32 is what errors are measured
# against) and 40 GB of disk under TMPDIR. Besides:
#   kernels                     a CUDA toolkit with CUPTI (CUDA_HOME) and g++
#   devices                     two or more GPUs
#   reference-forward           REFERENCE=FOLDER, a clone of github.com/facebookresearch/dinov3; torch with CUDA in PYTHON
#                               (default python3)
#   eomt-transformers           torch with CUDA and transformers 5 in PYTHON
# A bench that lacks what it needs is named, and so is one that fails or takes too long; the others go on.
set -uo pipefail
cd "$(dirname "$0")/.."
usage="usage: bench/gpu.sh FOLDER [GB/s] [TFLOP/s] [NAME…]"
folder=${1:?"$usage"} bandwidth=${2:-0} rate=${3:-0}
names=" ${*:4} "
mkdir -p "$folder"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python=${PYTHON:-python3} cuda=${CUDA_HOME:-/usr/local/cuda}
status=0 all=()
seven=dinov3_vit7b16_ade20k_m2f detector=dinov3_vit7b16_coco_detr

wanted() { # file
  all+=("${1%.*}")
  [[ $names == "  " || $names == *" ${1%.*} "* ]]
}

run() { # seconds, file, command…
  local seconds=$1 file=$2 start=$SECONDS
  shift 2
  wanted "$file" || return 0
  # A process that waits for the device ends by nothing less than KILL.
  if timeout -s KILL "$seconds" "$@" >"$folder/$file" 2>"$folder/$file.log"; then
    echo "$file: $((SECONDS - start)) s" >&2
  else
    echo "$file: FAILED after $((SECONDS - start)) s; see $folder/$file.log" >&2
    status=1
  fi
}

bench() { # seconds, file, script, arguments…
  run "$1" "$2" node "bench/$3" "${@:4}"
}

lacks() { # file, what
  if wanted "$1"; then echo "$1: skipped: needs $2" >&2; fi
}

has_python() { "$python" -c "import torch${1:+, $1}; assert torch.cuda.is_available()" 2>/dev/null; }

bench 60 network-ops.txt network-ops.mjs cuda
bench 20 score-loss.txt score-loss.mjs cuda
if [[ -z ${REFERENCE-} ]]; then
  lacks reference-forward.json "REFERENCE=FOLDER, a clone of github.com/facebookresearch/dinov3"
elif ! has_python numpy; then
  lacks reference-forward.json "torch with CUDA and numpy in PYTHON=$python"
else
  run 240 reference-forward.json "$python" bench/reference-forward.py "$REFERENCE" cuda 1,4,8
fi
reference=()
if [[ -s $folder/reference-forward.json ]]; then reference=("" "$folder/reference-forward.json"); fi
UV_THREADPOOL_SIZE=$(nproc) bench 190 forward.json forward.mjs cuda $seven "$rate" 32 "${reference[@]}"
UV_THREADPOOL_SIZE=$(nproc) bench 50 precision-miou-shipped.json precision-miou.mjs cuda shipped
UV_THREADPOOL_SIZE=$(nproc) bench 180 precision-miou.json precision-miou.mjs cuda $seven
bench 60 profile.json profile.mjs parts $seven float16 1
bench 60 profile-8.json profile.mjs parts $seven float16 8
if [[ -d $cuda/extras/CUPTI ]] && command -v g++ >/dev/null; then
  run 120 kernels.txt bench/profile.sh "$folder/kernels" $seven float16 1
else
  lacks kernels.txt "a CUDA toolkit with CUPTI in CUDA_HOME=$cuda, and g++"
fi
bench 90 seven-billion.json seven-billion.mjs "" $seven cuda 8
UV_THREADPOOL_SIZE=$(nproc) bench 130 cache-pass.json cache-pass.mjs cuda $seven 500
bench 50 load.json load.mjs cuda $seven bfloat16
bench 60 shared-load.json shared-load.mjs cuda $detector bfloat16
bench 60 train.txt train.mjs cuda 512 "$bandwidth"
bench 240 probes.json probes.mjs cuda 200
bench 120 whole-training.json whole-training.mjs cuda dinov3_vitl16 500
bench 60 eomt.json eomt.mjs cuda dinov3_vitl16_eomt
if has_python transformers; then
  run 240 eomt-transformers.json "$python" bench/eomt-transformers.py
else
  lacks eomt-transformers.json "torch with CUDA and transformers in PYTHON=$python"
fi
bench 60 detector.json detector.mjs cuda $detector "$rate"
UV_THREADPOOL_SIZE=$(nproc) bench 120 features.json features.mjs cuda $seven $detector 160
bench 400 extraction.txt extraction.mjs 10000 20 cuda $seven $detector
bench 400 stream.json stream.mjs "$scratch/7b.pt"
if [[ $(nvidia-smi -L 2>/dev/null | wc -l) -gt 1 ]]; then
  UV_THREADPOOL_SIZE=$(nproc) bench 590 devices.txt devices.mjs --device cuda
else
  lacks devices.txt "two or more GPUs"
fi
for name in $names; do
  if [[ " ${all[*]} " != *" $name "* ]]; then
    echo "$name: no such bench; the names are ${all[*]}" >&2
    status=1
  fi
done
exit $status
