#!/usr/bin/env bash
# Runs the steps of configs/consep one after the other, each with one difference, then the ensembles of them.
#
#   bash tools/consep_ladder.sh s     the small models, for a CPU
#   bash tools/consep_ladder.sh g     the full ones, for a GPU
#
# Run it again to go on: finished steps are kept, an interrupted training resumes. More arguments go to tools/train.py.
# The data: CoNSeP in data/consep (or CONSEP_ROOT), made ready by
#   cells2coco.py data/consep data/consep --classes other inflammatory epithelial spindle
#   split_folds.py data/consep/annotations/train.json data/consep/annotations --folds work_dirs/consep/folds.json
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
shown=() # the steps that the page shows; results.csv has all
for step in s01 s02 s03 s08 s12 s14 s20 s22 s25 s26 s28 s29 s31 s35 s50 g01 g08 g10; do
  shown+=($(compgen -G "work_dirs/consep/${step}_*" || true))
done
python tools/analysis_tools/compare_runs.py "${shown[@]}" --short --into docs/consep.md \
  --columns about wall_s --metrics segm_AP50 bPQ AJI Dice
