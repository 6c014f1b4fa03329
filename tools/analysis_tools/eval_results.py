#!/usr/bin/env python3
"""Evaluate a predictions file with the figures that a run logs.

    python tools/analysis_tools/eval_results.py RESULTS ANN [--json FILE] [--errors] [--intervals]

RESULTS is a COCO results list with RLE masks, ANN the COCO annotations of the same images. docs/evaluation.md defines
the figures.
"""

import argparse
import json
import math
from pathlib import Path

from mmcellseg.evaluation.centroid_f1 import RADIUS
from mmcellseg.evaluation.error_analysis import analyse, format_report
from mmcellseg.evaluation.evaluate import DEFAULT_METRICS, METRICS, Evaluation
from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.evaluation.intervals import bootstrap_intervals
from mmcellseg.evaluation.predictions import Predictions
from mmcellseg.structures.files import atomic_write
from mmcellseg.structures.results import ResultsError, read_results, refuse
from mmcellseg.structures.results_rules import EMPTY_MASK, MASK_OUTSIDE, examine


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', type=Path, help='predictions file')
    parser.add_argument('ann', type=Path, help='annotation file')
    parser.add_argument('--json', type=Path, help='also write the figures to this file; an undefined one is null')
    parser.add_argument('--errors', action='store_true', help='sort the errors, with a confusion matrix of masks')
    parser.add_argument('--metric', nargs='+', default=DEFAULT_METRICS, choices=METRICS, help='default: %(default)s')
    parser.add_argument(
        '--intervals',
        type=int,
        nargs='?',
        const=1000,
        metavar='DRAWS',
        help='95 %% bootstrap intervals from this many draws of the images (1000 where no number is given)',
    )
    parser.add_argument('--max-dets', type=int, help='detections per image and class for AP; default: all')
    parser.add_argument('--score-thr', type=float, default=0.5, help='least score for PQ, AJI, Dice, F1 and errors')
    parser.add_argument(
        '--area-edges', type=float, nargs=2, metavar=('LOW', 'HIGH'), help='px² between small, medium and large'
    )
    parser.add_argument('--f1-radius', type=float, default=RADIUS, help='px between paired centroids (%(default)g)')
    args = parser.parse_args()
    if args.intervals is not None and args.intervals < 1:
        parser.error(f'--intervals {args.intervals}: expected one draw of the images or more')
    return args


def defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def evaluate(args: argparse.Namespace) -> None:
    """Print the figures, and write them where asked to."""
    gt, entries = GroundTruth(args.ann), read_results(args.results)
    boxes, masks = 'bbox' in args.metric, args.errors or set(args.metric) != {'bbox'}
    violations, forms = examine(entries, gt.images, gt.categories, boxes=boxes, masks=masks)
    if not masks:
        _, forms = examine(entries, gt.images, gt.categories)  # there may be masks to hold the boxes against
    if forms.sum() < 0:
        raise ResultsError(
            f'{args.results}: its boxes fit its masks better as x0, y0, x1, y1 than as x, y, width, height: '
            'convert them, or leave bbox out (--metric segm panoptic)'
        )
    wrong = [violation for violation in violations if violation.rule not in (EMPTY_MASK, MASK_OUTSIDE)]
    refuse(args.results, wrong, 'nothing was evaluated')
    evaluation = Evaluation(
        entries,
        gt,
        metrics=args.metric,
        max_dets=args.max_dets,
        score_thr=args.score_thr,
        area_edges=tuple(args.area_edges) if args.area_edges else None,
        f1_radius=args.f1_radius,
    )
    report = analyse(gt, Predictions(entries, gt, boxes=False), score_thr=args.score_thr) if args.errors else None
    print(f'{args.results}: {len(gt)} cells in {len(gt.images)} images of {args.ann}')
    low, high = args.area_edges or gt.area_edges(list(gt.images))
    print(f'small < {low:g} px² < medium < {high:g} px² < large; label maps at score >= {args.score_thr:g}')
    figures, intervals = evaluation.figures(), {}
    if args.intervals:
        intervals = bootstrap_intervals(evaluation.figures, len(evaluation.image_ids), args.intervals)
        print(f'95 % intervals from {args.intervals} draws of the {len(evaluation.image_ids)} images')
        intervals.pop('max_dets', None)  # a setting
    for key, value in figures.items():
        ends = '  {:.4f} to {:.4f}'.format(*intervals[key]) if key in intervals else ''
        print(f'{key:24} {value:.4f}{ends}' if key != 'max_dets' else f'{key:24} {value:.0f}')
    if report:
        print('\n' + format_report(report))
    if args.json:
        content: dict = {'results': str(args.results), 'annotations': str(args.ann), 'score_thr': args.score_thr}
        content['figures'] = {k: defined(v) for k, v in figures.items()}
        if intervals:
            content['intervals'] = {k: [defined(v) for v in ends] for k, ends in intervals.items()}
        if report:
            best = {k: [defined(v) for v in pair] for k, pair in report.best.items()}
            content['errors'] = {**report._asdict(), 'confusion': report.confusion.tolist(), 'best': best}
        print(f'wrote {atomic_write(args.json, json.dumps(content, indent=1))}')


def main() -> None:
    args = parse_args()
    try:
        evaluate(args)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from error


if __name__ == '__main__':
    main()
