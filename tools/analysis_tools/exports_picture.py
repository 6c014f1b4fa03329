#!/usr/bin/env python3
"""Open a GeoJSON and a label TIFF of tools/predict.py with other software, and draw them beside their image.

    python tools/analysis_tools/exports_picture.py IMAGE CELLS.geojson CELLS.labels.tif --out exports.png

shapely reads the polygons, tifffile the labels; nothing of mmcellseg is used.
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np
import shapely
import tifffile
from matplotlib.patches import Patch


def draw(image_file: Path, geojson: Path, labels_file: Path) -> plt.Figure:
    """Left the polygons in the colours of their classes, right each id of the label map in a colour of its own."""
    image, labels = tifffile.imread(image_file)[..., :3], tifffile.imread(labels_file)
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 7.6), layout='constrained')
    left.imshow(image)
    features, classes = json.loads(geojson.read_text())['features'], {}
    for feature in features:
        kind = feature['properties']['classification']
        colour = classes.setdefault(kind['name'], [part / 255 for part in kind['color']])
        for polygon in shapely.get_parts(shapely.geometry.shape(feature['geometry'])):
            for ring in (polygon.exterior, *polygon.interiors):
                # A corner of pixels is half a pixel from the centres that imshow counts from.
                left.plot(*(np.array(ring.coords).T - 0.5), color=colour, linewidth=1.6)
    left.legend(handles=[Patch(color=colour, label=name) for name, colour in classes.items()], loc='upper right')
    left.set_title(f'{geojson.suffix[1:]}: {len(features)} cells as polygons')
    colours = np.random.default_rng(0).uniform(0.25, 1, (labels.max() + 1, 3))
    colours[0] = 0
    right.imshow(colours[labels], interpolation='nearest')
    right.set_title(f'label TIFF: {labels.dtype}, {len(np.unique(labels)) - 1} ids')
    for axes in (left, right):
        axes.axis('off')
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('image', 'geojson', 'labels'):
        parser.add_argument(name, type=Path)
    parser.add_argument('--out', type=Path, default=Path('exports.png'), help='default: %(default)s')
    args = parser.parse_args()
    draw(args.image, args.geojson, args.labels).savefig(args.out, dpi=80)
    print(args.out)


if __name__ == '__main__':
    main()
