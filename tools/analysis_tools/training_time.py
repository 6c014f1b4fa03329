#!/usr/bin/env python3
"""Draw a figure of recorded steps over the hours of training that their weights have taken.

    python tools/analysis_tools/training_time.py --group 'random start' work_dirs/consep/s0* work_dirs/consep/s1* \\
      --group 'ImageNet start' work_dirs/consep/s34* work_dirs/consep/s35* --out time.png [--metric bPQ]

RUNs are folders with a record.json. The time is that of a step's own training and of those that it went on from.
"""

import argparse
from pathlib import Path

from mmcellseg.reporting.records import RecordError, read_record
from mmcellseg.structures.files import atomic_open


def training_hours(folder: Path) -> float:
    """Hours of the training of a step's weights, the trainings that they began from included."""
    record = read_record(folder)
    if record['kind'] == 'test':
        return training_hours(folder.parent / record['weights']['step'])
    begun_from = record['config']['values'].get('load_from')
    before = training_hours(folder.parent / Path(begun_from).parent.name) if begun_from else 0.0
    return before + record['time']['wall_s'] / 3600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--group', nargs='+', action='append', required=True, metavar=('LABEL', 'RUN'))
    parser.add_argument('--metric', default='bPQ', help='figure of the validation (default: %(default)s)')
    parser.add_argument('--out', type=Path, default=Path('training_time.png'), help='default: %(default)s')
    args = parser.parse_args()
    from matplotlib.figure import Figure  # --help does without
    from matplotlib.ticker import LogLocator

    figure = Figure((7, 4), layout='constrained')
    axes = figure.subplots()
    try:
        for number, (label, *runs) in enumerate(args.group):
            for kind, marker, views in (('train', 'o', 'one view'), ('test', '^', 'four mirrored views')):
                records = [(read_record(run), Path(run)) for run in runs]
                found = [(training_hours(run), record) for record, run in records if record['kind'] == kind]
                figures = [record['validation']['metrics'][args.metric] for _, record in found]
                hours = [hours for hours, _ in found]
                axes.scatter(hours, figures, marker=marker, color=f'C{number}', label=f'{label}, {views}')
                for at, record, value in zip(hours, (record for _, record in found), figures):
                    name = record['name'].partition('_')[0]
                    axes.annotate(name, (at, value), (4, 3), textcoords='offset points', fontsize=7)
    except (RecordError, LookupError) as error:
        raise SystemExit(f'training_time: {error}') from error
    axes.set(xlabel='hours of training', ylabel=args.metric, xscale='log')  # short runs crowd otherwise
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter('{x:g}')
    axes.grid(alpha=0.3)
    axes.legend()
    with atomic_open(args.out) as file:
        figure.savefig(file, dpi=120, format='png')
    print(args.out)


if __name__ == '__main__':
    main()
