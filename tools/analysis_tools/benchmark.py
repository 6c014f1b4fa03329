#!/usr/bin/env python3
"""Measure a part of the project against the stock way, both in one run.

    python tools/analysis_tools/benchmark.py CASE [--data DIR] [--quick] [--json FILE]

Each case is a module of benchmark_cases/. The machine's noise is in both columns, so read the ratios.
"""

import argparse
import importlib
import json
import pkgutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import benchmark_cases

from mmcellseg.structures.files import atomic_write


def cases() -> list[str]:
    return sorted({m.name for m in pkgutil.iter_modules(benchmark_cases.__path__)} - {'cells', 'measure'})


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('case', choices=cases())
    parser.add_argument('--data', type=Path, help='data set in the layout of class TIFFs; default: synthetic')
    parser.add_argument('--quick', action='store_true', help='small sizes, to see that the case runs')
    parser.add_argument('--json', type=Path, help='also write the rows to this file')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    rows = importlib.import_module(f'benchmark_cases.{args.case}').run(args.data, args.quick)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    print('| ' + ' | '.join(columns) + ' |')
    print('|' + '---|' * len(columns))
    for row in rows:
        cells = [row.get(c, '') for c in columns]
        print('| ' + ' | '.join(f'{v:.4g}' if isinstance(v, float) else str(v) for v in cells) + ' |')
    if args.json:
        atomic_write(args.json, json.dumps(rows, indent=1))
        print(f'wrote {args.json}')


if __name__ == '__main__':
    main()
