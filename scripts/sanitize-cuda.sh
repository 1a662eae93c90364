#!/usr/bin/env bash
# Runs the tests of the CUDA kernels under compute-sanitizer, on a machine with a GPU and a built addon:
#   scripts/sanitize-cuda.sh FOLDER [tool…]     default: memcheck racecheck; logs in the folder
# Prints the number of errors for each file and tool. Fails if there are any, or if a test fails.
set -uo pipefail
cd "$(dirname "$0")/.."
folder=${1:?"usage: scripts/sanitize-cuda.sh FOLDER [tool…]"}
shift
# All files at once, and slowly: they are not to be timed out.
export TAP_TIMEOUT=0
tools=("$@")
[ $# -eq 0 ] && tools=(memcheck racecheck)
mkdir -p "$folder"

check() { # tool, test file
  local log
  log=$folder/$(basename "$2" .ts).$1.log
  # The package's own kernels: libtorch's are not for us to check.
  compute-sanitizer --tool "$1" --kernel-regex kns=dinov3_seg --error-exitcode 9 \
    node --import=./node_modules/@tapjs/typescript/dist/esm/import.mjs \
    --import=./node_modules/@tapjs/mock/dist/esm/import.mjs "$2" >"$log" 2>&1
  local status=$?
  echo "$1 $2: exit $status; $(grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$log" | tail -1); $(grep -E '^# \{' "$log" | tail -1)"
  return $status
}

jobs=()
for tool in "${tools[@]}"; do
  for file in test/ops/*.ts; do
    check "$tool" "$file" &
    jobs+=($!)
  done
done
failed=0
for job in "${jobs[@]}"; do wait "$job" || failed=1; done
exit $failed
