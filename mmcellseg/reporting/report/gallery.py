"""Tiles for the gallery: the image, small and whole, and the contours of its cells as SVG paths."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...data.tiff import ImageReadError, read_image
from ...evaluation.error_analysis import KINDS, MISSED, image_pairs, match_cells, outcomes, sort_errors
from ...structures.masks import InstanceMasks
from .measures import Measured

LONGEST, THUMB = 1000, 176  # px, long side of the whole image and of its thumbnail
_TOLERANCE = 0.6  # px that a drawn contour may lie off the mask's border


def svg_path(masks: InstanceMasks, index: int) -> str:
    """The outline of a mask, holes included, as SVG path data in whole px: its border pixels' places."""
    parts = []
    corner = masks.boxes[index, :2].tolist()
    lines, _ = cv2.findContours(masks.window(index), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=corner)
    for line in lines:
        points = cv2.approxPolyDP(line, _TOLERANCE, True)[:, 0]
        steps = ' '.join(f'{dx} {dy}' for dx, dy in np.diff(points, axis=0).tolist()) or '0 0'
        parts.append(f'M{points[0, 0]} {points[0, 1]}l{steps}z')
    return ''.join(parts).replace(' -', '-')


def shapes(measured: Measured, image_id: int, score_thr: float) -> list[list[Any]]:
    """Rows for the page: switch, class, true class, score, best IoU, kind of error, path; −1 for what it has not.

    The predictions of score ≥ ``score_thr``, then the cells that no prediction was matched with. Classes count from 0.
    """
    truth, predictions = measured.truth, measured.predictions
    pairs = image_pairs(truth, predictions, image_id, score_thr)
    cell_of = match_cells(pairs)
    kinds, _ = sort_errors(pairs, cell_of)
    switches = outcomes(kinds).tolist()
    column = {c: k for k, c in enumerate(truth.categories)}
    own_class, cell_class = ([column[c] for c in classes.tolist()] for classes in (pairs.pred_class, pairs.gt_class))
    best, best_of_cell = np.zeros(len(pairs.scores)), np.zeros(len(pairs.gt_class))
    np.maximum.at(best, pairs.pred, pairs.iou)
    np.maximum.at(best_of_cell, pairs.gt, pairs.iou)
    rows: list[list[Any]] = []
    masks = predictions.masks(image_id)
    for k, (row, cell) in enumerate(zip(pairs.pred_rows.tolist(), cell_of.tolist())):
        true = cell_class[cell] if cell >= 0 else -1
        numbers = [round(float(pairs.scores[k]), 3), round(best[k], 3)]
        rows.append([switches[k], own_class[k], true, *numbers, KINDS[kinds[k]], svg_path(masks, row)])
    masks = truth.masks(image_id)
    for k in np.setdiff1d(np.arange(len(cell_class)), cell_of).tolist():
        path = svg_path(masks, int(pairs.gt_rows[k]))
        rows.append([2, cell_class[k], cell_class[k], -1, round(best_of_cell[k], 3), KINDS[MISSED], path])
    return rows


def data_uri(image: np.ndarray, longest: int, quality: int) -> str:
    """An RGB image, at most ``longest`` px long, as a WebP that stands in the page itself."""
    factor = longest / max(image.shape[:2])
    if factor < 1:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode('.webp', image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])
    return f'data:image/webp;base64,{base64.b64encode(content.tobytes()).decode()}'


def tiles(
    runs: Sequence[tuple[str, Measured, Sequence[Path], float]], images: Path | None, number: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """The ``number`` images with the lowest mean F1 of the runs, worst first, each with the contours of every run.

    ``runs``: name, figures, annotation files and score threshold. ``images``: their folder; None: that of the
    annotations or the one above. Also gives sentences on what is missing.
    """
    found: dict[Path, list[tuple[str, Measured, int, float]]] = {}
    lacking: list[str] = []
    for run, measured, ann_files, score_thr in runs:
        roots = [images] if images else [root for file in ann_files for root in (file.parent.parent, file.parent)]
        for image_id in measured.image_f1:
            name = measured.truth.file_names[image_id]
            path = next((root / name for root in roots if (root / name).is_file()), None)
            if path is None:
                lacking.append(name)
            else:
                found.setdefault(path.resolve(), []).append((run, measured, image_id, score_thr))
    said = [f'{len(lacking)} images are not there ({name} …): give their folder with --images.' for name in lacking[:1]]

    def mean_f1(path: Path) -> float:
        values = [m.image_f1[i] for _, m, i, _ in found[path]]
        return float(np.nanmean(values)) if np.isfinite(values).any() else np.inf

    out: list[dict[str, Any]] = []
    for path in sorted(found, key=lambda path: (mean_f1(path), str(path))):
        if len(out) == number:
            break
        try:
            image = read_image(path)
        except (ImageReadError, OSError) as error:
            said.append(f'{path.name} cannot be shown: {error}.')
            continue
        _, measured, image_id, _ = found[path][0]
        data = {
            'size': measured.truth.images[image_id][::-1],
            'image': data_uri(image, LONGEST, 62),
            'classes': measured.errors.class_names,
            'runs': {run: shapes(m, i, thr) for run, m, i, thr in found[path]},
        }
        about = {'name': measured.truth.file_names[image_id], 'f1': mean_f1(path)}
        about |= {'cells': len(measured.truth.rows(image_id)), 'thumb': data_uri(image, THUMB, 60)}
        out.append({**about, 'data': data})
    return out, said
