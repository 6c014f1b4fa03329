#!/usr/bin/env python3
"""Draw a synthetic data set in the layout of class TIFFs.

python tools/dataset_converters/make_synthetic.py data/synthetic
"""

import argparse
import inspect
from pathlib import Path

from mmcellseg.synthetic.data_set import PROPORTIONS, make_synthetic


def parse_args() -> argparse.Namespace:
    default = {name: p.default for name, p in inspect.signature(make_synthetic).parameters.items()}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', type=Path, help='folder to write; it may not have a train folder yet')
    for name, what in (
        ('num-train', 'training images'),
        ('num-test', 'test images'),
        ('seed', 'random seed'),
    ):
        key = name.replace('-', '_')
        parser.add_argument(f'--{name}', type=int, default=default[key], help=f'{what} (%(default)s)')
    parser.add_argument('--proportions', choices=sorted(PROPORTIONS), default=default['proportions'])
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('MIN', 'MAX'),
        default=default['size_range'],
        help='px %(default)s',
    )
    parser.add_argument(
        '--cell-scale', type=float, default=default['cell_scale'], help='factor on diameters (%(default)s)'
    )
    parser.add_argument('--no-dense', action='store_true', help='leave out the image of over 700 cells')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    summary = make_synthetic(
        args.out,
        num_train=args.num_train,
        num_test=args.num_test,
        seed=args.seed,
        proportions=args.proportions,
        size_range=tuple(args.size),
        cell_scale=args.cell_scale,
        dense=not args.no_dense,
        progress=True,
    )
    per_class = ', '.join(f'class{i}: {n}' for i, n in enumerate(summary.class_counts, 1))
    most = max(summary.train_cells.values())
    print(
        f'{args.out}: {len(summary.train_cells)} training images with {sum(summary.class_counts)} cells '
        f'({per_class}; at most {most} an image), {args.num_test} test images; '
        f'{summary.left_out} cells found no place'
    )


if __name__ == '__main__':
    main()
