"""The page: one file with everything in it."""

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...evaluation.ap import RECALLS
from ...evaluation.error_analysis import KINDS, OUTCOMES, ErrorReport
from ...evaluation.instances import EvaluationError
from ..comparison import all_values
from ..curves import COLOURS, draw
from ..records import ABSENT
from .gallery import tiles
from .measures import Measured, anchor_table, figure_table, measure, member_table, over_folds
from .sources import Source

_COLOURS = tuple(colour for colour in COLOURS if colour != '#CC79A7')  # pink is lost on tissue
_LINES = ('-', '--', '-.', ':', (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_HEADLINE = ('segm_AP50', 'segm_AP', 'PQ', 'mPQ+', 'bPQ', 'AJI', 'F1')
_LONGEST_VALUE = 160  # characters of a config's value in the table of differences


def svg_uri(figure: Figure) -> str:
    """A figure that stands in the page itself."""
    content = io.BytesIO()
    with matplotlib.rc_context({'svg.hashsalt': 'report'}):  # the same bytes for the same figure
        figure.savefig(content, format='svg', metadata={'Date': None})
    return f'data:image/svg+xml;base64,{base64.b64encode(content.getvalue()).decode()}'


def score_curves(measured: Measured) -> Figure:
    """Precision over recall of each class, and how often a prediction of each score is right."""
    figure = Figure(figsize=(10, 4), dpi=150, layout='constrained')
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for k, (name, precision) in enumerate(zip(measured.errors.class_names, measured.precision.T)):
        if precision[0] >= 0:
            style = {'color': _COLOURS[k % len(_COLOURS)], 'ls': _LINES[k % len(_LINES)]}
            left.plot(RECALLS, precision, label=f'{name} ({precision.mean():.3f})', lw=1.8, **style)
    left.set(title='precision and recall at mask IoU 0.5 (AP50)', xlabel='recall', ylabel='precision')
    left.set(xlim=(0, 1), ylim=(0, 1.02))
    if left.lines:
        left.legend(frameon=False)
    right.plot([0, 1], [0, 1], color='0.6', lw=1, ls=':', label='score = share that is right')
    if measured.calibration:
        scores, shares, numbers = np.array(measured.calibration).T
        right.plot(scores, shares, color=COLOURS[0], marker='o', label='predictions by score')
        for x, y, n in zip(scores, shares, numbers):
            right.annotate(f'{n:,.0f}', (x, y), (0, 7), textcoords='offset points', ha='center', fontsize=7)
    right.set(title='calibration of the scores', xlabel='mean score', ylabel='share that is right')
    right.set(xlim=(0, 1), ylim=(0, 1.08))
    right.legend(frameon=False, loc='upper left')
    for axes in (left, right):
        axes.grid(alpha=0.25, lw=0.6)
        axes.spines[['top', 'right']].set_visible(False)
    return figure


def facts(source: Source) -> dict[str, str]:
    """What was run, where, when and on what; only what the record tells."""
    record = source.record or {}
    parts = ('config', 'code', 'time', 'hardware', 'progress', 'weights', 'peak_memory')
    config, code, time, hardware, progress, weights, memory = (record.get(part) or {} for part in parts)
    machine = [*map(str, hardware.get('gpus') or [])] or [f'{hardware.get("cpu")}, {hardware.get("cores")} cores']
    started = [f'from commit {start["commit"]}, epoch {start["epoch"]}' for start in record.get('resumed') or []]
    data = [
        f'{file} ({of_file["images"]} images, {sum(of_file["cells"].values()):,} cells)'
        for file, of_file in (record.get('data') or {}).items()
    ]
    rows = {
        'status': ' – '.join(filter(None, [record.get('status'), record.get('error')])),
        'about': record.get('about'),
        'leaf': config.get('file'),
        'parent': config.get('parent'),
        'commit': code.get('commit') and f'{code["commit"]}{" with changes" if code.get("dirty") else ""}',
        'seed': record.get('seed'),
        'weights from': weights.get('step') or weights.get('file'),
        'machine': hardware and '; '.join(machine),
        'started': time.get('started'),
        'time': time.get('wall_s') is not None and f'{time["wall_s"] / 60:,.0f} min',
        'peak memory': memory.get('process_mb') is not None and f'{memory["process_mb"]:,} MB',
        'done': progress and f'epoch {progress.get("epoch")} of {progress.get("max_epochs")}',
        'resumed': '; '.join(started),
        'data': '; '.join(data),
    }
    return {key: str(value) for key, value in rows.items() if value not in (None, '', False, {})}


def differences(sources: Sequence[Source]) -> list[list[str]]:
    """A header, and a row each key of the configs in which the trained runs differ."""
    named = {s.name: s.record for s in sources if s.record and s.record.get('kind') != 'ensemble'}
    texts = [
        {key: '' if value == ABSENT else json.dumps(value) for key, value in values.items()}
        for values in all_values(list(named.values()))
    ]
    rows = [[key, *(flat.get(key, '') for flat in texts)] for key in dict.fromkeys(chain.from_iterable(texts))]
    differing = [row for row in rows if len(set(row[1:])) > 1]
    cut = [[t if len(t) <= _LONGEST_VALUE else f'{t[:_LONGEST_VALUE]} …' for t in row] for row in differing]
    return [['key', *named], *cut] if cut else []


def error_table(report: ErrorReport) -> list[list[str]]:
    """Predictions and cells by kind of error."""
    rows = [[kind, f'{report.predictions[kind]:,}', f'{report.cells[kind]:,}'] for kind in KINDS]
    for row in rows:  # what a kind cannot have is no 0
        if row[0] == 'missed':
            row[1] = ''
        elif row[0] in ('duplicate', 'background'):
            row[2] = ''
    return [['kind', 'predictions', 'cells'], *rows]


def exposure_table(exposure: Mapping[str, Any] | None) -> list[list[str]]:
    """Cells of each class in the training images, and what share of what the model saw they were."""
    if not exposure:
        return []
    shares = [key for key in ('expected_share', 'drawn_share', 'seen_share') if key in exposure]
    columns = [[f'{value:,}' for value in exposure[key]] for key in ('instances', 'images')]
    columns += [[f'{value:.1%}' for value in exposure[key]] for key in shares]
    head = ['class', 'cells', 'images with it', *(key.replace('_', ' ') for key in shares)]
    return [head, *map(list, zip(exposure['classes'], *columns))]


def _section(source: Source, draws: int) -> dict[str, Any]:
    """What the page shows of one run, with what is missing noted in ``source.missing``."""
    record = source.record or {}
    best = (record.get('metrics') or {}).get('best') or {}
    recorded = {
        k.removeprefix('cell/'): v for k, v in ((record.get('validation') or {}).get('metrics') or best).items()
    }
    threshold = source.score_threshold or 0.5
    tables: list[tuple[str, list[list[str]]]] = []
    section: dict[str, Any] = {
        'source': source,
        'facts': facts(source),
        'exposure': exposure_table(record.get('exposure')),
        'threshold': threshold,
        'tables': tables,
        'anchors': [],
        'members': [],
        'measured': None,
        'headline': {key: (recorded.get(key), None) for key in _HEADLINE} if 'segm_AP50' in recorded else {},
    }
    if source.results and source.ann_files:
        try:
            measured = measure(source.results, source.ann_files, draws, threshold)
        except (EvaluationError, ValueError, OSError) as error:
            source.missing.append(f'The predictions cannot be measured: {error}.')
        else:
            images, names = len(measured.truth.images), measured.errors.class_names
            title = f'95 % intervals from {draws:,} draws of the {images} images' if draws else f'on {images} images'
            tables.append((title, figure_table(measured.figures, measured.intervals, names)))
            if source.folds:
                title = f'mean of {len(source.folds)} folds, with 95 % intervals from draws of the folds'
                tables.append((title, figure_table(*over_folds(source.folds, draws), names)))
            section |= {'measured': measured, 'curves': svg_uri(score_curves(measured))}
            section['errors'] = error_table(measured.errors)
            section['headline'] = {key: (measured.figures[key], measured.intervals.get(key)) for key in _HEADLINE}
    if source.runs:
        cells = [file for file in (source.train_file, *source.ann_files) if file and file.is_file()]
        try:
            section['anchors'] = anchor_table((record.get('config') or {}).get('values') or {}, cells[0])
        except (KeyError, IndexError, OSError, TypeError, ValueError):
            source.missing.append('Anchor recall: needs the anchors in config.json beside the record, and annotations.')
        if not section['exposure']:
            source.missing.append('Class exposure: not in the record (ExposureHook writes it).')
    if source.ensemble:
        try:
            section['members'] = member_table(source.ensemble)
        except (KeyError, OSError, RuntimeError, ValueError) as error:
            source.missing.append(f'What each member adds: {error}.')
    elif record.get('kind') == 'ensemble':
        source.missing.append('What each member adds: no ensemble.json, which merging writes.')
    return section


def build_page(sources: Sequence[Source], images: Path | None = None, number: int = 30, draws: int = 1000) -> str:
    """The report as HTML that needs no other file. Label maps, errors and gallery begin at each run's own score.

    Args:
        images: Folder of the annotated images; None: looked for beside the annotations.
        number: Contours in the gallery: of so many tiles of one run, of half as many of two runs, and so on.
        draws: Of the images, for the intervals; 0 leaves them out.
    """
    sections = [_section(source, draws) for source in sources]
    shown = [
        (section['source'].name, section['measured'], section['source'].ann_files, section['threshold'])
        for section in sections
        if section['measured']
    ]
    runs = [run for source in sources for run in source.runs]
    gallery, missing = tiles(shown, images, math.ceil(number / max(len(shown), 1)))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template('page.html.j2').render(
        sections=sections,
        differences=differences(sources) if len(sources) > 1 else [],
        learning_curves=svg_uri(draw(runs)) if runs else None,
        headline=_HEADLINE,
        gallery=gallery,
        missing=missing,
        switches=OUTCOMES,
        colours=_COLOURS,
    )
