#!/usr/bin/env python3
"""Draw a synthetic data set in the layout of class TIFFs.

python tools/dataset_converters/make_synthetic.py data/synthetic
"""

import argparse
import inspect
from pathlib import Path

from mmcellseg.synthetic.data_set import PROPORTIONS, make_synthetic


def parse_args() -> argparse.Namespace:
    parameters = inspect.signature(make_synthetic).parameters
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', metavar='OUT', type=Path, help='folder to write; it may not have a train folder yet')
    parser.add_argument('--num-train', type=int, help='training images (%(default)s)')
    parser.add_argument('--num-test', type=int, help='test images (%(default)s)')
    parser.add_argument('--seed', type=int, help='random seed (%(default)s)')
    parser.add_argument('--proportions', choices=sorted(PROPORTIONS), help='of the classes (%(default)s)')
    parser.add_argument('--size', dest='size_range', type=int, nargs=2, metavar=('MIN', 'MAX'), help='px %(default)s')
    parser.add_argument('--cell-scale', type=float, help='factor on diameters (%(default)s)')
    parser.add_argument('--no-dense', dest='dense', action='store_false', help='leave out the image of over 700 cells')
    parser.set_defaults(**{name: p.default for name, p in parameters.items() if name != 'root'} | {'progress': True})
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    summary = make_synthetic(**vars(args))
    per_class = ', '.join(f'class{i}: {n}' for i, n in enumerate(summary.class_counts, 1))
    most = max(summary.train_cells.values())
    print(
        f'{args.root}: {len(summary.train_cells)} training images with {sum(summary.class_counts)} cells '
        f'({per_class}; at most {most} an image), {args.num_test} test images; '
        f'{summary.left_out} cells found no place'
    )


if __name__ == '__main__':
    main()
