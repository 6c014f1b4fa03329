#!/usr/bin/env bash
# Runs the steps of configs/consep one after the other, each with one difference, then the ensembles of them.
#
#   bash tools/consep_ladder.sh s     the small models, for a CPU
#   bash tools/consep_ladder.sh g     the full ones, for a GPU
#
# Run it again to go on: finished steps are kept, an interrupted training resumes. More arguments go to tools/train.py.
# The data: CoNSeP converted into data/consep (or CONSEP_ROOT), with folds written by
# split_folds.py --folds work_dirs/consep/folds.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=${VENV:-$PWD/.venv}/bin:$PATH
size=${1:?"s or g: which size of models"}
shift
for config in configs/consep/"$size"[0-9][0-9]_*.py; do
  python tools/run_step.py "$config" --submit "$@"
done
for config in $(compgen -G "configs/ensembles/${size}[0-9][0-9]_*.py"); do
  python tools/run_step.py "$config" --submit
done
python tools/analysis_tools/compare_runs.py work_dirs/consep/[gs][0-9][0-9]_* --short --into docs/consep.md \
  --columns about label_map_score_threshold wall_s --metrics segm_AP50 bPQ AJI Dice
