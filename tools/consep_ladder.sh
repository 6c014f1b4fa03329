#!/usr/bin/env bash
# Runs the steps of configs/consep one after the other, each with one difference, then the ensembles of them.
#
#   bash tools/consep_ladder.sh s     the small models, for a CPU
#   bash tools/consep_ladder.sh g     the full ones, for a GPU
#
# Run it again to go on: finished steps are kept, an interrupted training resumes. More arguments go to the trainings.
# The data: CoNSeP in data/consep (or CONSEP_ROOT), made ready by
#   cells2coco.py data/consep data/consep --classes other inflammatory epithelial spindle
#   split_folds.py data/consep/annotations/train.json data/consep/annotations --folds work_dirs/consep/folds.json
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=${VENV:-$PWD/.venv}/bin:$PATH
size=${1:?"s or g: which size of models"}
shift
records=work_dirs/consep
if [[ $size == s ]]; then # first, and once: a step of all 27 tiles takes its threshold from five folds
  for step in s36_frozen s37_frozen_tta-shared s43_long s44_long_tta-shared s62_from-s43 s63_from-s43_tta-shared; do
    submit=()
    [[ $step == s44* || $step == s63* ]] && submit=(--submit)
    python tools/cross_validate.py configs/consep/$step.py --folds 5 --work-dir $records/${step}_cv "${submit[@]}" "$@"
  done
fi
for config in configs/consep/"$size"[0-9][0-9]_*.py; do
  python tools/run_step.py "$config" --submit "$@"
done
for config in $(compgen -G "configs/ensembles/${size}[0-9][0-9]_*.py" | sort); do
  python tools/run_step.py "$config" --submit
done
shown=() # the steps that the page shows; results.csv has all
for step in s{01,14,26,28,29,34}_* s43_long{,_cv} s44_*shared{,_cv} s{55,56,57}_* s{62,63}_*_cv; do
  shown+=($(compgen -G "$records/$step" || true))
done
python tools/analysis_tools/compare_runs.py "${shown[@]}" --short --into docs/consep.md \
  --columns about wall_s --metrics segm_AP50 bPQ AJI Dice
python tools/analysis_tools/training_time.py --out docs/consep-time.png \
  --group 'random start' $records/s{01,02,08,12,13,14,15,16,19,20,21,22,26,24,25,27,28,30,31,32,33}_* \
  --group 'ImageNet start' $records/s{34,35,36,39,40,41,42,43,44,46,47,48,49,50,51,52,55,56}_*[^v]
python tools/analysis_tools/contours.py $records/s56_3000_tta-shared/val-results.json \
  "${CONSEP_ROOT:-data/consep}"/annotations/fold0_val.json --errors --images 3 --out docs/consep-tiles.jpg
