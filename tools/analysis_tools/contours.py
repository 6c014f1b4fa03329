#!/usr/bin/env python3
"""Draw images with the contours of their cells, and beside each what a model predicts.

    python tools/analysis_tools/contours.py RESULTS ANN --out contours.png [--images 1] [--score-thr 0.5]

RESULTS is a predictions file, ANN the COCO annotations of the same images, which lie in the folder above it or in
--root. The images with the most cells come first.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmcellseg.data.tiff import read_image
from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.reporting.overlay import draw_contours, legend
from mmcellseg.structures.files import atomic_open
from mmcellseg.structures.palette import PALETTE, extended
from mmcellseg.structures.results import read_results

ZOOM, LINE, LETTERS, GAP = 2, 3, 24, 8  # px


def titled(picture: np.ndarray, title: str) -> np.ndarray:
    """A picture under a white strip with its title."""
    strip = Image.new('RGB', (picture.shape[1], 3 * LETTERS // 2), 'white')
    ImageDraw.Draw(strip).text((0, LETTERS // 5), title, fill='black', font=ImageFont.load_default(LETTERS))
    return np.concatenate([np.asarray(strip), picture])


def draw(results: Path, ann: Path, root: Path, number: int, score_thr: float) -> np.ndarray:
    """The picture, uint8 (H, W, 3): a row an image, the truth on the left."""
    truth, palette = GroundTruth(ann), {}
    palette = extended(PALETTE, len(truth.categories))
    label = {category: k for k, category in enumerate(truth.categories)}
    found: dict[int, list[dict]] = {}
    for entry in read_results(results):
        if entry['score'] >= score_thr:
            found.setdefault(entry['image_id'], []).append(entry)
    rows = []
    for image_id in sorted(truth.images, key=lambda i: -len(truth.rows(i)))[:number]:
        image = read_image(root / truth.file_names[image_id])
        cells = [label[c] for c in truth.category_ids[truth.rows(image_id)].tolist()]
        entries = found.get(image_id, [])
        drawn = [
            titled(draw_contours(image, truth.masks(image_id), cells, palette, LINE, ZOOM), 'Truth'),
            titled(
                draw_contours(
                    image,
                    [entry['segmentation'] for entry in entries],
                    [label[entry['category_id']] for entry in entries],
                    palette,
                    LINE,
                    ZOOM,
                ),
                'Predicted',
            ),
        ]
        rows.append(np.concatenate([drawn[0], np.full((len(drawn[0]), GAP, 3), 255, np.uint8), drawn[1]], axis=1))
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    return np.concatenate([*rows, legend(list(truth.categories.values()), palette, width, LETTERS)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', type=Path, help='predictions file')
    parser.add_argument('ann', type=Path, help='annotation file')
    parser.add_argument('--out', type=Path, default=Path('contours.png'), help='default: %(default)s')
    parser.add_argument('--root', type=Path, help='folder of the images (default: the one above that of ANN)')
    parser.add_argument('--images', type=int, default=1, help='how many (default: %(default)s)')
    parser.add_argument('--score-thr', type=float, default=0.5, help='least score (default: %(default)s)')
    args = parser.parse_args()
    try:
        picture = draw(args.results, args.ann, args.root or args.ann.parents[1], args.images, args.score_thr)
        with atomic_open(args.out) as file:
            Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE).save(file, 'PNG', optimize=True)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from error
    print(args.out)


if __name__ == '__main__':
    main()
