"""The four curves that steer a training run: loss and AP, of the training and of the validation images."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..structures.files import atomic_write
from .run_log import Points, Run, RunLogError

# Okabe and Ito's colours, which colour-blind readers tell apart; yellow is too light for a line.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#56B4E9', '#E69F00', '#000000')
MARKERS = 'os^Dv*P'  # several runs differ in these too: prints may be black and white


def _draw(axes: Axes, points: Points, chosen: float | None, tell: bool, **style: Any) -> None:
    """A curve, with a star on the point nearest to the chosen checkpoint, and its value there; a single point is a
    dot with its value."""
    if not points:
        return
    x, y = np.array(points, float).T
    single = len(points) == 1
    marker = {'marker': 'o' if single else '.' if len(points) <= 30 else None, 'markevery': max(len(points) // 12, 1)}
    axes.plot(x, y, **{**marker, **style})
    at = 0 if chosen is None else int(np.argmin(np.abs(x - chosen)))
    if chosen is not None and not single:
        axes.plot(x[at], y[at], '*', ms=15, color=style['color'], mec='white', mew=0.8, zorder=5, label='chosen')
    if (single or (tell and chosen is not None)) and np.isfinite(y[at]):
        text = f'{y[at]:.3f}'
        axes.annotate(text, (x[at], y[at]), (0, 9), textcoords='offset points', ha='center', color=style['color'])


def draw(runs: Sequence[Run], metric: str = 'segm_AP50') -> Figure:
    """Loss on the left, AP on the right; a panel without a curve is left out.

    One run has a colour for each split, several have a colour and a marker each; training is dashed. The star is
    the chosen checkpoint.
    """
    several = len(runs) > 1
    panels = [('loss', [(run.train_loss, run.val_loss) for run in runs])]
    panels.append((metric.replace('_', ' '), [(run.train_ap, run.val_ap) for run in runs]))
    panels = [panel for panel in panels if any(train or val for train, val in panel[1])]
    figure = Figure(figsize=(5 * len(panels), 3.9 + 0.2 * several * len(runs)), dpi=150, layout='constrained')
    FigureCanvasAgg(figure)
    for axes, (title, curves) in zip(figure.subplots(1, len(panels), sharex=True, squeeze=False)[0], panels):
        for i, (run, (train, val)) in enumerate(zip(runs, curves)):
            train_colour, val_colour = (COLOURS[i % len(COLOURS)],) * 2 if several else COLOURS[:2]
            marked = {'marker': MARKERS[i % len(MARKERS)], 'ms': 5} if several else {}
            # The star is where the choice was made: on the validation curve, if there is one.
            chosen = None if val else run.chosen
            _draw(axes, train, chosen, not several, color=train_colour, ls='--', lw=1.5, label='train', **marked)
            _draw(axes, val, run.chosen, not several, color=val_colour, ls='-', lw=1.8, label='val', **marked)
        axes.set(title=title, xlabel='epoch')
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(y=0.12)
        axes.grid(alpha=0.25, lw=0.6)
        axes.spines[['top', 'right']].set_visible(False)
    drawn = [line for axes in figure.axes for line in axes.lines]
    handles = []
    for label, text, dashes, colour in (('train', 'training', '--', 0), ('val', 'validation', '-', 1)):
        lengths = [len(line.get_xdata()) for line in drawn if line.get_label() == label]  # type: ignore[arg-type]
        if lengths:
            style = {'marker': 'o', 'ls': ''} if max(lengths) == 1 else {'ls': dashes}
            handles.append(Line2D([], [], color='0.3' if several else COLOURS[colour], label=text, **style))  # type: ignore[arg-type]
    if any(line.get_label() == 'chosen' for line in drawn):
        handles.append(Line2D([], [], color='0.3', ls='', marker='*', ms=11, label='chosen checkpoint'))
    figure.legend(handles=handles, loc='outside upper center', ncols=3, frameon=False)
    if several:
        looks = [{'color': COLOURS[i % len(COLOURS)], 'marker': MARKERS[i % len(MARKERS)]} for i in range(len(runs))]
        handles = [Line2D([], [], lw=2, label=run.name, **look) for run, look in zip(runs, looks)]  # type: ignore[arg-type]
        figure.legend(handles=handles, loc='outside lower center', ncols=1, frameon=False)
    else:
        figure.supxlabel(runs[0].name, fontsize='small', color='0.3')
    return figure


def save(figure: Figure, path: str | os.PathLike) -> Path:
    """Write a figure whole or not at all; the ending tells PNG or SVG."""
    kind = Path(path).suffix[1:].lower()
    if kind not in ('png', 'svg'):
        raise RunLogError(f'{path}: found the ending {kind!r}, expected .png or .svg')
    content = io.BytesIO()
    figure.savefig(content, format=kind)
    return atomic_write(path, content.getvalue())
