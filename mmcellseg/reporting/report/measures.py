"""Figures of a run for the report: with intervals, by class, by kind of error, by member."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from ...ensemble import build_fusion
from ...ensemble.driver import merge_files
from ...ensemble.members import Member, read_image_set
from ...ensemble.selection import score_files
from ...evaluation.anchor_recall import best_ious, boxes_as_seen, make_anchors, recall_by_side
from ...evaluation.ap import class_key, precision_table
from ...evaluation.error_analysis import RIGHT, ErrorReport, analyse, image_pairs, match_cells, sort_errors
from ...evaluation.evaluate import Evaluation
from ...evaluation.ground_truth import GroundTruth
from ...evaluation.intervals import bootstrap_intervals
from ...evaluation.predictions import Predictions
from ...structures.results import read_results

Intervals = Mapping[str, tuple[float, float]]


class Measured(NamedTuple):
    """What is known of predictions of annotated images."""

    truth: GroundTruth
    predictions: Predictions
    figures: dict[str, float]
    intervals: Intervals
    precision: np.ndarray  # (101 recalls, K classes) at mask IoU 0.5; −1 for a class without cells
    calibration: list[tuple[float, float, int]]  # mean score, share that is right, how many
    errors: ErrorReport
    image_f1: dict[int, float]  # image id → 2 right / (predictions + cells)


def join_annotations(files: Sequence[Path]) -> Mapping[str, Any] | Path:
    """One file as it is, or the images and annotations of several folds of one data set in one."""
    if len(files) == 1:
        return files[0]
    parts = [json.loads(file.read_text()) for file in files]
    return {**parts[0], **{key: [row for part in parts for row in part[key]] for key in ('images', 'annotations')}}


def calibration_bins(scores: np.ndarray, right: np.ndarray, bins: int = 10) -> list[tuple[float, float, int]]:
    """Mean score, share right and number of predictions (N,) in each of equally wide bins of scores that has some."""
    place = np.minimum((np.clip(scores, 0, 1) * bins).astype(int), bins - 1)
    chosen = [place == k for k in range(bins) if (place == k).any()]
    return [(float(scores[one].mean()), float(right[one].mean()), int(one.sum())) for one in chosen]


def measure(results: Path, ann_files: Sequence[Path], draws: int, score_thr: float) -> Measured:
    """The figures of ``tools/analysis_tools/eval_results.py``, and what the report's curves and gallery need."""
    truth, entries = GroundTruth(join_annotations(ann_files)), read_results(results)
    evaluation = Evaluation(results, truth, score_thr=score_thr)
    predictions = Predictions(entries, truth, boxes=False)
    intervals = bootstrap_intervals(evaluation.figures, len(evaluation.image_ids), draws) if draws else {}
    scores, right, image_f1 = [np.zeros(0)], [np.zeros(0, bool)], {}
    for image_id in evaluation.image_ids:
        pairs = image_pairs(truth, predictions, image_id)
        hits = sort_errors(pairs, match_cells(pairs))[0] == RIGHT
        scores.append(pairs.scores)
        right.append(hits)
        counted = pairs.scores >= score_thr  # a prediction's match does not depend on those of lower score
        size = int(counted.sum()) + len(pairs.gt_class)
        image_f1[image_id] = 2 * int(hits[counted].sum()) / size if size else float('nan')
    return Measured(
        truth,
        predictions,
        evaluation.figures(),
        intervals,
        precision_table(evaluation.matches['segm'])[0, :, :, 0],
        calibration_bins(np.concatenate(scores), np.concatenate(right)),
        analyse(truth, predictions, score_thr=score_thr),
        image_f1,
    )


def figure_table(figures: Mapping[str, float], intervals: Intervals, names: Sequence[str]) -> list[list[str]]:
    """A header, and a row each figure: of all classes, then of each. A cell's interval is on its second line."""

    def cell(key: str) -> str:
        value, (low, high) = figures.get(key, np.nan), intervals.get(key, (np.nan, np.nan))
        ends = f'\n{low:.4f} to {high:.4f}' if np.isfinite(low) else ''
        return f'{value:.4f}{ends}' if np.isfinite(value) else ''

    # mPQ+ is the mean of PQ+_{class}.
    rows = {k: [class_key(k.removeprefix('m'), name) for name in names] for k in figures if k != 'max_dets'}
    classes = {key for keys in rows.values() for key in keys}
    return [['', 'all', *names], *([k, cell(k), *map(cell, keys)] for k, keys in rows.items() if k not in classes)]


def over_folds(folds: Sequence[Mapping[str, float]], draws: int) -> tuple[dict[str, float], Intervals]:
    """Mean of each figure over the folds that define it, and its bootstrap interval over folds."""
    keys = list(dict.fromkeys(key for fold in folds for key in fold))
    values = np.ma.masked_invalid([[fold.get(key, np.nan) for key in keys] for fold in folds])

    def means(drawn: np.ndarray) -> dict[str, float]:
        return dict(zip(keys, values[drawn].mean(0).filled(np.nan).tolist()))

    return means(np.arange(len(folds))), bootstrap_intervals(means, len(folds), draws) if draws else {}


def anchor_table(values: Mapping[str, Any], ann_file: Path) -> list[list[str]]:
    """Recall of a config's anchors by side of the cells in px of the network's input.

    ``values`` are the flat keys of a run's config; ``KeyError`` if those of the anchors are not among them.
    """
    head = 'test_dataloader.dataset.pipeline.'
    pipeline: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        if key.startswith(head):
            number, _, rest = key.removeprefix(head).partition('.')
            pipeline.setdefault(number, {})[rest] = value
    generator = [values[f'model.rpn_head.anchor_generator.{key}'] for key in ('scales', 'ratios', 'strides')]
    divisor = values.get('model.data_preprocessor.pad_size_divisor', 1)
    boxes, sizes = boxes_as_seen(json.loads(ann_file.read_text()), list(pipeline.values()), divisor)
    table = [['side in px', 'cells', 'recall at IoU 0.5', 'recall at IoU 0.7', 'mean best IoU']]
    for band, cells, recall, mean in recall_by_side(boxes, best_ious(boxes, sizes, make_anchors(*generator))):
        table.append([band, f'{cells:,}', *('' if n != n else f'{n:.3f}' for n in (*recall, mean))])
    return table


def member_table(ensemble: Mapping[str, Any], metric: str = 'segm_AP50') -> list[list[str]]:
    """A header, and a row each member: its own figure, that of all others merged, and what it adds to them."""
    members, ann_file = [Member(**member) for member in ensemble['members']], ensemble['ann_file']
    fusion, images = build_fusion(ensemble['fusion']), read_image_set(ann_file)
    with TemporaryDirectory() as folder:

        def merged(name: str, chosen: Sequence[Member]) -> str:
            path = Path(folder, f'{name}.json')
            merge_files(chosen, fusion, images, path, progress=False)
            return str(path)

        files = {'all': merged('all', members)}
        for k, member in enumerate(members):
            files[f'is {k}'] = member.results
            if len(members) > 1:
                files[f'no {k}'] = merged(f'no {k}', members[:k] + members[k + 1 :])
        scores = {name: figures[metric] for name, figures in score_files(files, ann_file).items()}
    rows = [['member', 'weight', metric, 'all others merged', 'it adds']]
    for k, member in enumerate(members):
        without = scores.get(f'no {k}', 0.0)
        own = [f'{scores[f"is {k}"]:.4f}', f'{without:.4f}', f'{scores["all"] - without:+.4f}']
        rows.append([member.name, f'{member.weight:g}', *own])
    return [*rows, [f'all {len(members)} merged', '', f'{scores["all"]:.4f}', '', '']]
