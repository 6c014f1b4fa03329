"""How good the members and their merge are, in the figures of the evaluation."""

import os
from collections.abc import Mapping, Sequence

from ..evaluation.evaluate import evaluate_results
from ..evaluation.ground_truth import GroundTruth

MERGED = 'merged'


def score_files(
    files: Mapping[str, str | os.PathLike], ann_file: str | os.PathLike, metrics: Sequence[str] = ('segm',)
) -> dict[str, dict[str, float]]:
    """Evaluate predictions files by name: name → figure → value, as ``evaluate_results`` has them.

    The merge holds one image at a time; this holds all entries of one predictions file with their compressed RLEs
    while they are checked, then their run lengths (8 bytes a run), and all along the run lengths of the annotations.
    Decoded masks are those of one image.
    """
    truth = GroundTruth(ann_file)
    return {name: evaluate_results(path, truth, metrics=metrics) for name, path in files.items()}


def flat_scores(scores: Mapping[str, Mapping[str, float]], prefix: str = 'ensemble') -> dict[str, float]:
    """The merge's figures as ``<prefix>/<figure>``, a member's as ``<prefix>/<member>/<figure>``."""
    return {
        f'{prefix}/{figure}' if name == MERGED else f'{prefix}/{name}/{figure}': value
        for name, figures in scores.items()
        for figure, value in figures.items()
    }


def score_table(scores: Mapping[str, Mapping[str, float]], figures: Sequence[str]) -> str:
    """A Markdown table, a line a predictions file."""
    lines = ['| | ' + ' | '.join(figures) + ' |', '|---' * (len(figures) + 1) + '|']
    for name, values in scores.items():
        lines.append(f'| {name} | ' + ' | '.join(f'{values[figure]:.4f}' for figure in figures) + ' |')
    return '\n'.join(lines)
