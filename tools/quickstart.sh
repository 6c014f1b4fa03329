#!/usr/bin/env bash
# The whole way in a few minutes: sets up .venv, draws a synthetic data set in the layout of class TIFFs, converts it,
# trains two small Mask R-CNN members, tests both, merges them, and zips a validated submission.
#
#   bash tools/quickstart.sh
#
# Finished steps are kept, an interrupted training is resumed. To begin anew: rm -r data/demo work_dirs/demo
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DEMO_ROOT=data/demo
RUNS=work_dirs/demo
step() { printf '\n== %s (%s s)\n' "$*" "$(( SECONDS - start ))"; }
# The last lines of a log that is worth showing only if something went wrong.
quietly() { local log=$1; shift; "$@" >"$log" 2>&1 || { tail -n 30 "$log"; printf '%s\n' "failed: $* (log: $log)"; exit 1; }; }

bash tools/setup_env.sh
PATH=${VENV:-$PWD/.venv}/bin:$PATH
start=$SECONDS
mkdir -p "$RUNS"

step 'synthetic cells'
if [ ! -e $DEMO_ROOT/test_image_name_to_ids.json ]; then
  rm -rf $DEMO_ROOT.part
  python tools/dataset_converters/make_synthetic.py $DEMO_ROOT.part --num-train 40 --num-test 6 \
    --proportions balanced --cell-scale 0.7 --size 128 200 --no-dense
  mkdir -p data && mv $DEMO_ROOT.part $DEMO_ROOT
fi

step 'class TIFFs to COCO json, a quarter held out'
[ -e $DEMO_ROOT/annotations/val_holdout.json ] \
  || python tools/dataset_converters/cells2coco.py $DEMO_ROOT $DEMO_ROOT --holdout 0.25

# One thread each: two small trainings side by side use two cores better than one after the other.
train() {
  local member=$1
  [ -e $RUNS/$member/finished ] && { echo "$member: trained already"; return; }
  quietly $RUNS/$member.log env OMP_NUM_THREADS="$2" python tools/train.py configs/demo/$member.py \
    --work-dir $RUNS/$member --resume
  touch $RUNS/$member/finished
}
step 'training two members'
if python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  for member in m1 m2; do train $member "$(nproc)"; done
else
  train m1 1 & first=$!
  train m2 1 & second=$!
  while kill -0 $first 2>/dev/null || kill -0 $second 2>/dev/null; do
    sleep 15
    for member in m1 m2; do grep -ohE 'Epoch\(train\) +\[[0-9]+\]\[ *[0-9]+/[0-9]+\]' $RUNS/$member.log 2>/dev/null | tail -n 1 | sed "s/^/$member: /" || true; done
  done
  wait $first
  wait $second
fi
for member in m1 m2; do
  echo "$member on the validation split:"
  python - $RUNS/$member/record.json <<'PYTHON'
import json, sys

best = json.load(open(sys.argv[1]))['metrics']['best']
figures = {name: value for name, value in best.items() if name.startswith('cell/segm_AP50')}
for name, value in figures.items():
    print(f'  {name}: {value}')
low = [name for name, value in figures.items() if not value > (0.4 if name == 'cell/segm_AP50' else 0)]
if low or len(figures) < 5:
    sys.exit(f'the member has not learned: {low or figures}')
PYTHON
done

step 'testing both with --format-only'
for member in m1 m2; do
  quietly $RUNS/$member-test.log python tools/test.py configs/demo/$member.py "$(ls -t $RUNS/$member/best_*.pth | head -n 1)" \
    --work-dir $RUNS/$member --format-only --show-dir show
  grep -hE '^(predictions|submission):' $RUNS/$member-test.log
done

step 'merging the members'
python tools/ensemble.py configs/ensembles/demo.py

step 'checking the submission'
python tools/submit.py $RUNS/ensemble/submission.zip --ids $DEMO_ROOT/test_image_name_to_ids.json

step 'done'
cat <<END
data            $DEMO_ROOT (train/, test_release/, annotations/)
runs            $RUNS/m1 and m2: checkpoints, record.json, logs
curves          python tools/analysis_tools/plot_curves.py $RUNS/m1 $RUNS/m2
pictures        $(ls -d $RUNS/m2/*/show | tail -n 1)
submission      $RUNS/ensemble/submission.zip
next            README.md, "From your own data to a submission"
END
