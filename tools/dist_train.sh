#!/usr/bin/env bash
# Train with several processes: dist_train.sh CONFIG GPUS [options of train.py]
# GPUS is the number of processes on this machine; without a CUDA device they talk through gloo.
# Over several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT, the same everywhere but NODE_RANK.
set -euo pipefail
if [ $# -lt 2 ]; then sed -n '2,4s/^# //p' "$0" >&2; exit 2; fi
CONFIG=$1
GPUS=$2
HERE=$(cd "$(dirname "$0")" && pwd)

PYTHONPATH="$HERE/..${PYTHONPATH:+:$PYTHONPATH}" exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" \
    --master-port="${PORT:-29500}" \
    --nproc-per-node="$GPUS" \
    "$HERE/train.py" "$CONFIG" --launcher pytorch "${@:3}"
