#!/usr/bin/env bash
# Makes docs/contours.png, docs/report.png and docs/exports.png: draws tissue, trains on it (a quarter of an hour on one core), and draws what the
# model predicts on a held-out image beside the truth, and its exports of another image. Resumes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=${VENV:-$PWD/.venv}/bin:$PATH
export DEMO_ROOT=data/picture
CONFIG=configs/demo/picture.py
RUN=work_dirs/demo/picture

[ -d $DEMO_ROOT/train ] || python tools/dataset_converters/make_synthetic.py $DEMO_ROOT --num-train 60 --num-test 1 \
  --proportions balanced --cell-scale 0.6 --size 320 400 --no-dense
[ -e $DEMO_ROOT/annotations/val_holdout.json ] \
  || python tools/dataset_converters/cells2coco.py $DEMO_ROOT $DEMO_ROOT --holdout 0.1
python tools/train.py $CONFIG --work-dir $RUN --resume
python tools/test.py $CONFIG "$(ls -t $RUN/best_*.pth | head -n 1)" --work-dir $RUN --val
python tools/analysis_tools/contours.py "$(ls -t $RUN/*/val-results.json | head -n 1)" \
  $DEMO_ROOT/annotations/val_holdout.json --out docs/contours.png
python tools/analysis_tools/report.py $RUN --ann $DEMO_ROOT/annotations/val_holdout.json --images $DEMO_ROOT \
  --out $RUN/report.html --picture docs/report.png
rm -rf $RUN/cells
python tools/predict.py $CONFIG "$(ls -t $RUN/best_*.pth | head -n 1)" $DEMO_ROOT/test_release --out $RUN/cells \
  --to geojson label-tiff
python tools/analysis_tools/exports_picture.py $DEMO_ROOT/test_release/*.tif $RUN/cells/*.geojson $RUN/cells/*.labels.tif \
  --out docs/exports.png
