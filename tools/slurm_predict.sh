#!/usr/bin/env bash
# Predict a list of images under Slurm: slurm_predict.sh PARTITION JOB_NAME CONFIG CHECKPOINT INPUT… --out DIR [options]
# Submits an array of JOBS (4) jobs that share the list; each has GPUS (1) and CPUS_PER_TASK (4). SBATCH_ARGS for sbatch.
set -euo pipefail
if [ $# -lt 6 ]; then sed -n '2,3s/^# //p' "$0" >&2; exit 2; fi
HERE=$(cd "$(dirname "$0")" && pwd)
COMMAND=$(printf ' %q' python -u "$HERE/predict.py" "${@:3}")

# SBATCH_ARGS holds several words, so it stays unquoted.
# shellcheck disable=SC2086
PYTHONPATH="$HERE/..${PYTHONPATH:+:$PYTHONPATH}" exec sbatch -p "$1" \
    --job-name="$2" \
    --array="1-${JOBS:-4}" \
    --gres="gpu:${GPUS:-1}" \
    --cpus-per-task="${CPUS_PER_TASK:-4}" \
    ${SBATCH_ARGS:-} \
    --wrap="$COMMAND"
