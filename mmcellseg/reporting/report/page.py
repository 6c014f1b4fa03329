"""The page: one file with everything in it."""

import base64
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...evaluation.ap import RECALLS
from ...evaluation.error_analysis import KINDS
from ...evaluation.instances import EvaluationError
from ...structures.results import ResultsError
from ..comparison import all_values
from ..curves import COLOURS, draw
from ..records import ABSENT
from .gallery import SWITCHES, tiles
from .measures import Measured, anchor_table, figure_table, measure, member_table, over_folds
from .sources import Source

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
            style = {'color': COLOURS[k % len(COLOURS)], 'ls': _LINES[k % len(_LINES)]}
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
    config, code, time = (record.get(key) or {} for key in ('config', 'code', 'time'))
    hardware, progress = record.get('hardware') or {}, record.get('progress') or {}
    gpus = hardware.get('gpus') or []
    started = [f'from commit {start["commit"]}, epoch {start["epoch"]}' for start in record.get('resumed') or []]
    data = [
        f'{file} ({facts["images"]} images, {sum(facts["cells"].values()):,} cells)'
        for file, facts in (record.get('data') or {}).items()
    ]
    machine = [str(gpu) for gpu in gpus] or [f'{hardware.get("cpu")}, {hardware.get("cores")} cores'] * bool(hardware)
    weights = record.get('weights') or {}
    memory = (record.get('peak_memory') or {}).get('process_mb')
    rows = {
        'status': ' – '.join(filter(None, [record.get('status'), record.get('error')])),
        'about': record.get('about'),
        'leaf': config.get('file'),
        'parent': config.get('parent'),
        'commit': code.get('commit') and f'{code["commit"]}{" with changes" if code.get("dirty") else ""}',
        'seed': record.get('seed'),
        'weights from': weights.get('step') or weights.get('file'),
        'machine': '; '.join(machine),
        'started': time.get('started'),
        'time': time.get('wall_s') is not None and f'{time["wall_s"] / 3600:.2f} h',
        'peak memory': memory is not None and f'{memory:,} MB',
        'done': progress and f'epoch {progress.get("epoch")} of {progress.get("max_epochs")}',
        'resumed': '; '.join(started),
        'data': '; '.join(data),
    }
    return {key: str(value) for key, value in rows.items() if value not in (None, '', False, {})}


def differences(sources: Sequence[Source]) -> list[list[str]]:
    """A header, and a row each key of the configs in which the runs differ."""
    recorded = [source for source in sources if source.record]
    values = all_values([source.record for source in recorded if source.record])
    texts = [{key: '' if v == ABSENT else json.dumps(v) for key, v in flat.items()} for flat in values]
    keys = dict.fromkeys(key for flat in texts for key in flat)
    rows = [[key, *(flat.get(key, '') for flat in texts)] for key in keys]
    cut = [[text if len(text) <= _LONGEST_VALUE else f'{text[:_LONGEST_VALUE]} …' for text in row] for row in rows]
    differing = [short for row, short in zip(rows, cut) if len(set(row[1:])) > 1]
    return [['key', *(source.name for source in recorded)], *differing] if differing else []


def learning_curves(sources: Sequence[Source]) -> list[str]:
    """Figures of all runs that have a log: those that count epochs in one, those that count iterations in another."""
    runs = [run for source in sources for run in source.runs]
    by_unit = [[run for run in runs if run.unit == unit] for unit in ('epoch', 'iteration')]
    return [svg_uri(draw(some)) for some in by_unit if some]


def error_table(measured: Measured) -> list[list[str]]:
    """Predictions and cells by kind of error."""
    report = measured.errors
    rows = [[kind, f'{report.predictions[kind]:,}', f'{report.cells[kind]:,}'] for kind in KINDS]
    absent = {('missed', 1), ('duplicate', 2), ('background', 2)}
    return [
        ['kind', 'predictions', 'cells'],
        *([cell if (row[0], k) not in absent else '' for k, cell in enumerate(row)] for row in rows),
    ]


def exposure_table(source: Source) -> list[list[str]]:
    """Cells of each class in the training images, and what share of what the model saw they were."""
    exposure = (source.record or {}).get('exposure')
    if not exposure:
        return []
    shares = [key for key in ('expected_share', 'drawn_share', 'seen_share') if key in exposure]
    columns = [[f'{value:,}' for value in exposure[key]] for key in ('instances', 'images')]
    columns += [[f'{value:.1%}' for value in exposure[key]] for key in shares]
    head = ['class', 'cells', 'images with it', *(key.replace('_', ' ') for key in shares)]
    return [head, *map(list, zip(exposure['classes'], *columns))]


def _section(source: Source, draws: int, score_thr: float | None) -> tuple[dict[str, Any], Measured | None]:
    """What the page shows of one run, with what is missing noted in ``source.missing``."""
    threshold = score_thr if score_thr is not None else source.score_threshold or 0.5
    section: dict[str, Any] = {'source': source, 'facts': facts(source), 'exposure': exposure_table(source)}
    section |= {'threshold': threshold, 'tables': [], 'anchors': [], 'members': [], 'measured': None}
    measured = None
    if source.results and source.ann_files:
        try:
            measured = measure(source.results, source.ann_files, draws, threshold)
        except (EvaluationError, ResultsError, OSError) as error:
            source.missing.append(f'The predictions cannot be measured: {error}.')
    if measured:
        images = len(measured.truth.images)
        title = f'95 % intervals from {draws:,} draws of the {images} images' if draws else f'on {images} images'
        section['tables'].append(
            (title, figure_table(measured.figures, measured.intervals, measured.errors.class_names))
        )
        section |= {'measured': measured, 'curves': svg_uri(score_curves(measured)), 'errors': error_table(measured)}
        section['headline'] = {key: (measured.figures[key], measured.intervals.get(key)) for key in _HEADLINE}
    if source.folds and measured:
        title = f'mean of {len(source.folds)} folds, with 95 % intervals from draws of the folds'
        section['tables'].append((title, figure_table(*over_folds(source.folds, draws), measured.errors.class_names)))
    values = ((source.record or {}).get('config') or {}).get('values') or {}
    if source.runs:
        cells = [file for file in (source.train_file, *source.ann_files) if file and file.is_file()]
        try:
            section['anchors'] = anchor_table(values, cells[0])
        except (KeyError, IndexError, OSError, TypeError, ValueError):
            source.missing.append('Anchor recall: needs the anchors in config.json beside the record, and annotations.')
        if not section['exposure']:
            source.missing.append('Class exposure: not in the record (ExposureHook writes it).')
    if source.ensemble:
        try:
            section['members'] = list(member_table(source.ensemble))
        except (KeyError, OSError, RuntimeError, ValueError) as error:
            source.missing.append(f'What each member adds: {error}.')
    elif (source.record or {}).get('kind') == 'ensemble':
        source.missing.append('What each member adds: no ensemble.json, which merging writes.')
    return section, measured


def build_page(
    sources: Sequence[Source],
    images: Path | None = None,
    number: int = 30,
    draws: int = 1000,
    score_thr: float | None = None,
) -> str:
    """The report as HTML that needs no other file.

    Args:
        images: Folder of the annotated images; None: looked for beside the annotations.
        number: Contours in the gallery: of so many tiles of one run, of half as many of two runs, and so on.
        draws: Of the images, for the intervals; 0 leaves them out.
        score_thr: Least score for label maps, errors and gallery; None: each run's own, as recorded, or 0.5.
    """
    sections, measured = zip(*(_section(source, draws, score_thr) for source in sources))
    shown = [
        (section['source'].name, m, section['source'].ann_files, section['threshold'])
        for section, m in zip(sections, measured)
        if m
    ]
    gallery, missing = tiles(shown, images, math.ceil(number / max(len(shown), 1)))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template('page.html.j2').render(
        sections=sections,
        differences=differences(sources) if len(sources) > 1 else [],
        learning_curves=learning_curves(sources),
        headline=_HEADLINE,
        gallery=gallery,
        missing=missing,
        switches=SWITCHES,
        colours=COLOURS,
    )
