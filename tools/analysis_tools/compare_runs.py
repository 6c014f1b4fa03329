#!/usr/bin/env python
"""Compare runs by what differs in their configs and by what they reached.

    compare_runs.py work_dirs/consep/* --sort cell/segm_AP50 --metrics segm_AP50 PQ --markdown runs.md
    compare_runs.py work_dirs/consep/s* --columns about --metrics segm_AP50 bPQ --short --into docs/consep.md
    compare_runs.py --diff work_dirs/a work_dirs/b

A run is a folder with a record.json, which training writes. Beside it lies config.json with all keys of its config; of
runs without it (a clone has the records alone) those keys are compared that their leaves change. The table shows the
main figures and at most eight keys that differ, steps of pipelines left out; --all shows all. Conditions of --filter
are KEY=VALUE, also with != > < >= <=; a key may be the end of one, as seed for randomness.seed.
"""

import argparse
import re
import sys
from pathlib import Path

from mmcellseg.reporting.comparison import diff_table, look_up, table, to_csv, to_markdown
from mmcellseg.reporting.records import ABSENT, RecordError, read_record
from mmcellseg.structures.files import atomic_write
from mmcellseg.structures.run_files import RECORD_NAME

FIGURES = ('segm_AP50', 'segm_AP', 'mPQ+', 'bPQ', 'AJI')
KEYS = 8  # at most, where --all is not given
# What follows from other keys, and what says nothing of the model: steps of pipelines, paths, logs.
ASIDE = re.compile(r'pipeline|meta_keys|ann_file|data_root|^(val|test|tta)_|^(default_hooks|env_cfg|vis|log|filename)')
BEGIN, END = '<!-- results -->', '<!-- end of results -->'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dirs', nargs='*', metavar='WORK_DIR', help="folders of runs, or their record.json's")
    parser.add_argument('--diff', nargs=2, metavar=('A', 'B'), help='two runs key by key instead of a table')
    parser.add_argument('--all', action='store_true', help='all keys that differ, and all metrics')
    parser.add_argument('--columns', nargs='+', metavar='KEY', help='these keys instead of those that differ')
    parser.add_argument('--metrics', nargs='+', default=(), metavar='KEY', help=f'default: {" ".join(FIGURES)}')
    parser.add_argument('--sort', metavar='KEY', help='highest first')
    parser.add_argument('--filter', nargs='+', default=(), metavar='KEY=VALUE', help='only runs that meet all')
    parser.add_argument('--markdown', metavar='FILE', help='also write the table as Markdown')
    parser.add_argument('--into', metavar='FILE', help=f'also put the table between {BEGIN} and {END} of a text')
    parser.add_argument('--short', action='store_true', help='names up to their first _, where these differ')
    parser.add_argument('--csv', metavar='FILE', help='also write the table as CSV')
    args = parser.parse_args()
    if bool(args.work_dirs) == bool(args.diff):
        parser.error('give folders of runs, or --diff A B')
    return args


def is_something_else(path: Path) -> bool:
    """Whether a path that ``work_dirs/*`` may name is there, but is no run: a table, the folds, a folder of runs."""
    return path.exists() and not ((path / RECORD_NAME).is_file() or path.name.startswith('record'))


def compared(args: argparse.Namespace) -> list[list[str]]:
    """The table that was asked for."""
    runs = [path for path in args.work_dirs if not is_something_else(Path(path))]
    for path in sorted(set(args.work_dirs) - set(runs)):
        if Path(path).is_dir() and not any(Path(path).glob(f'*/{RECORD_NAME}')):
            print(f'no {RECORD_NAME} in {path}', file=sys.stderr)
    if not runs:
        raise RecordError(f'none of {", ".join(args.work_dirs)} holds the record of a run')
    records = [read_record(folder) for folder in runs]
    metrics = list(args.metrics)
    if not (metrics or args.all):
        metrics = [key for key in FIGURES if any(look_up(record, key) != ABSENT for record in records)]
    rows = table(records, metrics, args.sort, args.filter, args.columns)
    if not (args.all or args.columns):
        keys = range(1, len(rows[0]) - len(metrics) - 1) if metrics else ()
        kept = [k for k in keys if not ASIDE.search(rows[0][k])][:KEYS]
        dropped = set(keys) - set(kept)
        if dropped:
            print(f'{len(dropped)} more keys differ: --all shows them', file=sys.stderr)
        rows = [[cell for k, cell in enumerate(row) if k not in dropped] for row in rows]
    beginnings = [row[0].partition('_')[0] for row in rows[1:]]
    if args.short and len(set(beginnings)) == len(beginnings):
        rows[1:] = [[name, *row[1:]] for name, row in zip(beginnings, rows[1:])]
    return rows


def put_into(path: Path, text: str) -> None:
    """Replace what stands between the two marks of a text."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f'{path}: expected the marks {BEGIN} and {END}, one after the other')
    atomic_write(path, f'{before}{begin}\n{text}{end}{after}')


def main() -> None:
    args = parse_args()
    try:
        rows = diff_table(*map(read_record, args.diff)) if args.diff else compared(args)
        text = to_markdown(rows)
        if args.into:
            put_into(Path(args.into), text)
    except (RecordError, ValueError) as error:
        sys.exit(str(error))
    print(text, end='')
    if args.markdown:
        atomic_write(args.markdown, text)
    if args.csv:
        atomic_write(args.csv, to_csv(rows))


if __name__ == '__main__':
    main()
