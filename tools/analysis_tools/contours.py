#!/usr/bin/env python3
"""Draw images with the contours of their true cells, and beside each what a model predicts.

    python tools/analysis_tools/contours.py RESULTS ANN --out contours.png [--images 1] [--score-thr 0.5] [--errors]

RESULTS is a predictions file, ANN the COCO annotations of the same images, whose paths begin at the folder above its
own. The images with the most cells come first. Of the predictions those are drawn that a label map takes in: the most
confident first, without those that lie by more than half under others. With --errors, the images are drawn in a row,
each with what is right, of another class, missed and spurious; of a large one the middle.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmcellseg.data.tiff import read_image
from mmcellseg.ensemble.fusion import hidden_by_better
from mmcellseg.evaluation.error_analysis import OUTCOMES, image_pairs, match_cells, outcomes, sort_errors
from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.evaluation.predictions import Predictions
from mmcellseg.reporting.overlay import draw_contours, legend
from mmcellseg.structures.files import atomic_open
from mmcellseg.structures.masks import InstanceMasks
from mmcellseg.structures.palette import PALETTE, extended
from mmcellseg.structures.results import read_results

ZOOM, LINE, LETTERS, GAP = 2, 3, 24, 8  # px
MIDDLE = 500  # px of an image that are drawn with --errors
COLOURS = dict(zip(OUTCOMES, ((0, 190, 60), (0, 90, 255), (255, 210, 0), (230, 0, 60))))


def titled(picture: np.ndarray, title: str) -> np.ndarray:
    """A picture under a white strip with its title, and white on its right."""
    strip = Image.new('RGB', (picture.shape[1], 3 * LETTERS // 2), 'white')
    ImageDraw.Draw(strip).text((0, LETTERS // 5), title, fill='black', font=ImageFont.load_default(LETTERS))
    whole = np.concatenate([np.asarray(strip), picture])
    return np.pad(whole, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


def draw(results: Path, ann: Path, number: int, score_thr: float) -> np.ndarray:
    """The picture, uint8 (H, W, 3): a row an image, the truth on the left."""
    truth, entries = GroundTruth(ann), read_results(results)
    palette = extended(PALETTE, len(truth.categories))
    label = {category: k for k, category in enumerate(truth.categories)}
    rows = []
    for image_id in sorted(truth.images, key=lambda i: -len(truth.rows(i)))[:number]:
        image = read_image(ann.parents[1] / truth.file_names[image_id])
        found = [e for e in entries if e['image_id'] == image_id and e['score'] >= score_thr]
        found.sort(key=lambda e: -e['score'])
        masks = InstanceMasks.from_rles([e['segmentation'] for e in found], *image.shape[:2])
        seen = np.flatnonzero(~hidden_by_better(masks))
        halves = (
            ('Truth', truth.masks(image_id), truth.category_ids[truth.rows(image_id)].tolist()),
            ('Predicted', masks[seen], [found[k]['category_id'] for k in seen]),
        )
        drawn = [
            titled(draw_contours(image, masks, [label[c] for c in classes], palette, LINE, ZOOM), title)
            for title, masks, classes in halves
        ]
        rows.append(np.concatenate(drawn, axis=1))
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    return np.concatenate([*rows, legend(list(truth.categories.values()), palette, width, LETTERS)])


def draw_errors(results: Path, ann: Path, number: int, score_thr: float) -> np.ndarray:
    """The picture, uint8 (H, W, 3): images side by side, predictions and missed cells by what became of them."""
    truth = GroundTruth(ann)
    predictions = Predictions(read_results(results), truth, boxes=False)
    colours, columns = list(COLOURS.values()), []
    for image_id in sorted(truth.images, key=lambda i: -len(truth.rows(i)))[:number]:
        image = read_image(ann.parents[1] / truth.file_names[image_id])
        pairs = image_pairs(truth, predictions, image_id, score_thr)
        cell_of = match_cells(pairs)
        missed = pairs.gt_rows[np.setdiff1d(np.arange(len(pairs.gt_class)), cell_of)]
        masks = [truth.masks(image_id)[missed], predictions.masks(image_id)[pairs.pred_rows]]
        found = outcomes(sort_errors(pairs, cell_of)[0]).tolist()
        labels = [OUTCOMES.index('missed')] * len(missed) + found
        drawn = draw_contours(image, InstanceMasks.cat(masks), labels, colours, LINE, ZOOM)
        top, left = (max(0, (side - MIDDLE) // 2) * ZOOM for side in image.shape[:2])
        middle = drawn[top : top + MIDDLE * ZOOM, left : left + MIDDLE * ZOOM]
        columns.append(titled(middle, truth.file_names[image_id]))
    height = max(len(column) for column in columns)
    columns = [np.pad(c, ((0, height - len(c)), (0, 0), (0, 0)), constant_values=255) for c in columns]
    whole = np.concatenate(columns, axis=1)
    return np.concatenate([whole, legend(list(OUTCOMES), colours, whole.shape[1], LETTERS)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', type=Path, help='predictions file')
    parser.add_argument('ann', type=Path, help='annotation file')
    parser.add_argument('--out', type=Path, default=Path('contours.png'), help='default: %(default)s')
    parser.add_argument('--images', type=int, default=1, help='how many (default: %(default)s)')
    parser.add_argument('--score-thr', type=float, default=0.5, help='least score (default: %(default)s)')
    parser.add_argument('--errors', action='store_true', help='draw what became of predictions and cells')
    args = parser.parse_args()
    try:
        picture = (draw_errors if args.errors else draw)(args.results, args.ann, args.images, args.score_thr)
        with atomic_open(args.out) as file:
            if args.out.suffix == '.jpg':
                Image.fromarray(picture).save(file, 'JPEG', quality=80)
            else:
                Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE).save(file, 'PNG', optimize=True)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from error
    print(args.out)


if __name__ == '__main__':
    main()
