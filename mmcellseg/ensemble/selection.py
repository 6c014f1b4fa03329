"""Which members an ensemble should have, measured on predictions whose truth is known.

Greedy forward selection with replacement: Caruana, Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble selection
from libraries of models". A member that is drawn k times gets the weight k.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import nan
from typing import Any

import numpy as np
from tqdm import tqdm

from ..evaluation.evaluate import evaluate_results
from ..evaluation.ground_truth import GroundTruth
from ..structures.processes import map_forked
from .calibration import match_hits
from .detections import Detections
from .fusion import Fusion
from .members import Member, Predictions

MERGED = 'merged'


def score_files(
    files: Mapping[str, str | os.PathLike], ann_file: str | os.PathLike, metrics: Sequence[str] = ('segm',)
) -> dict[str, dict[str, float]]:
    """Evaluate predictions files by name: name → figure → value, as ``evaluate_results`` has them."""
    truth = GroundTruth(ann_file)
    return {name: evaluate_results(path, truth, metrics=metrics) for name, path in files.items()}


@dataclass(frozen=True)
class Selection:
    """What ``select_members`` found. Figures are those of the metric it was told.

    ``own``, ``without`` (the loss when all the others are merged without it), ``agreement`` (of pairs of members)
    and ``steps`` (member drawn, figure then) are on the images chosen on. ``weights`` are the outcome; ``chosen`` are
    its figures on those images and on the images kept apart, ``everyone`` those of all members merged.
    """

    metric: str
    images: tuple[int, int]
    own: dict[str, float]
    without: dict[str, float]
    agreement: dict[tuple[str, str], float]
    steps: list[tuple[str, float]]
    weights: dict[str, int]
    chosen: list[float]
    everyone: list[float]


def split_images(image_ids: Sequence[int], kept_apart: float, seed: int) -> tuple[list[int], list[int]]:
    """Images to choose on and images kept apart, at random; each has one at least."""
    order = np.random.default_rng(seed).permutation(sorted(image_ids)).tolist()
    number = min(max(round(kept_apart * len(order)), 1), len(order) - 1)
    if number < 1:
        raise ValueError(f'{len(order)} annotated images cannot be split: members are chosen on at least 2')
    return sorted(order[number:]), sorted(order[:number])


def agreement(a: Mapping, b: Mapping, sizes: Mapping[int, tuple[int, int]], score_floor: float = 0.3) -> float:
    """How far two members find the same cells: 2 × pairs / (detections of both), over images.

    Pairs are of one class with a mask IoU of 0.5 or more, one to one; detections below the floor do not count.
    """
    pairs = number = 0
    for image_id, size in sizes.items():
        found = [[entry for entry in side.get(image_id, ()) if entry['score'] >= score_floor] for side in (a, b)]
        first, second = (Detections.from_entries([side], *size) for side in found)
        number += len(first) + len(second)
        if len(first) and len(second):
            hits = match_hits(first.masks, first.labels, first.scores, second.masks, second.labels)
            pairs += int(hits.sum())
    return 2 * pairs / number if number else 0.0


def forward_selection(
    names: Sequence[str], score: Callable[[list[dict[str, int]]], list[float]], rounds: int
) -> tuple[list[tuple[str, float]], dict[str, int]]:
    """Draw the member that helps most, again and again: each draw with the figure then, and the weights at the best.

    ``score`` gives the figures of several weightings at once (member → times drawn); of equal figures the first counts.
    """
    drawn: list[tuple[str, float]] = []
    for _ in tqdm(range(rounds), 'draw members'):
        counts = Counter(name for name, _ in drawn)
        figures = score([dict(counts + Counter([name])) for name in names])
        best = int(np.argmax(figures))
        drawn.append((names[best], float(figures[best])))
    length = 1 + int(np.argmax([figure for _, figure in drawn]))
    return drawn, dict(Counter(name for name, _ in drawn[:length]))


def select_members(
    predictions: Predictions,
    truth: GroundTruth,
    fusion: Fusion,
    metric: str = 'segm_AP50',
    rounds: int = 10,
    kept_apart: float = 0.5,
    seed: int = 0,
    workers: int = 1,
) -> Selection:
    """Judge members, and choose among them on one part of the images; see ``Selection``.

    Raises:
        ValueError: Fewer than two annotated images, no round, or a metric that the evaluation does not have or that
            is not defined on the images chosen on.
    """
    if rounds < 1:
        raise ValueError(f'rounds is {rounds}, expected at least 1 draw')
    names, parts = list(predictions), split_images(list(truth.images), kept_apart, seed)

    def judge(question: tuple[Mapping[str, int], Sequence[int]]) -> float:
        weights, image_ids = question
        members, merged = sorted(weights), []
        for image_id in image_ids:
            found = [predictions[name].get(image_id, ()) for name in members]
            detections = Detections.from_entries(found, *truth.images[image_id])
            merged += fusion(detections, members, [weights[name] for name in members]).to_entries(image_id)
        kind = next((kind for kind in ('bbox', 'segm') if metric.startswith(kind)), 'panoptic')
        figures = evaluate_results(merged, truth, metrics=(kind,), image_ids=image_ids)
        if metric not in figures:
            raise ValueError(f'metric {metric!r}, expected one of {sorted(figures)}')
        return figures[metric]

    def score(weightings: Sequence[Mapping[str, int]], image_ids: Sequence[int] = parts[0]) -> list[float]:
        return list(map_forked(judge, [(weights, image_ids) for weights in weightings], workers))

    own = score([{name: 1} for name in names])
    if np.isnan(own).any():
        raise ValueError(
            f'{metric} is not defined on the {len(parts[0])} images chosen on, as a rule because the class has no '
            'cell there: take another metric, seed or part kept apart'
        )
    everyone = [score([dict.fromkeys(names, 1)], part)[0] for part in parts]
    rest = [{k: 1 for k in names if k != name} for name in names] if len(names) > 1 else []
    without = {name: everyone[0] - figure for name, figure in zip(names, score(rest))}
    drawn, weights = forward_selection(names, score, rounds)
    chosen = [score([weights], part)[0] for part in parts]
    sizes = {i: truth.images[i] for i in parts[0]}
    pairs = {(a, b): agreement(predictions[a], predictions[b], sizes) for a, b in combinations(names, 2)}
    counts = (len(parts[0]), len(parts[1]))
    return Selection(metric, counts, dict(zip(names, own)), without, pairs, drawn, weights, chosen, everyone)


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of a table; floats have four decimals."""
    texts = [[f'{cell:.4f}' if isinstance(cell, float) else str(cell) for cell in row] for row in (head, *rows)]
    lines = [f'| {" | ".join(row)} |' for row in texts]
    return [lines[0], '|---' * len(head) + '|', *lines[1:]]


def selection_table(selection: Selection) -> str:
    """Markdown: members by their own figure, the agreement of every two, the draws, the figures of the outcome."""
    names = sorted(selection.own, key=lambda name: -selection.own[name])
    gains = {name: f'{selection.without.get(name, nan):+.4f}' for name in names}
    members = [(name, selection.own[name], gains[name], selection.weights.get(name, 0)) for name in names]
    both = selection.agreement | {(b, a): value for (a, b), value in selection.agreement.items()}
    agreed = [
        [f'{row} {name}', *(f'{both[name, other]:.3f}' if k < row - 1 else '' for k, other in enumerate(names[:-1]))]
        for row, name in enumerate(names, 1)
    ]
    outcome = [('all members', *selection.everyone), ('the chosen', *selection.chosen)]
    on, apart = selection.images
    tables = [
        markdown(('member', selection.metric, 'gain of having it', 'weight'), members),
        markdown(('agreement', *map(str, range(1, len(names)))), agreed),
        markdown(('draw', 'member', 'figure'), [(n, *step) for n, step in enumerate(selection.steps, 1)]),
        markdown((selection.metric, f'on the {on} images chosen on', f'on the {apart} kept apart'), outcome),
    ]
    return '\n\n'.join('\n'.join(lines) for lines in tables)


def selection_config(selection: Selection, members: Sequence[Member], settings: Mapping[str, Any]) -> str:
    """The text of a config of configs/ensembles/ with the chosen members and their weights.

    ``settings`` are its other variables: fusion, ann_file, out_dir and, if known, ids_file.
    """
    (on, apart), chosen, everyone = selection.images, selection.chosen, selection.everyone
    lines = [
        f'"""{len(selection.weights)} of {len(members)} members, chosen greedily by {selection.metric}.',
        '',
        f'{chosen[0]:.4f} on the {on} images chosen on, {chosen[1]:.4f} on the {apart} kept '
        f'apart; all members reach {everyone[0]:.4f} and {everyone[1]:.4f}.',
        '"""',
        '',
        *(f'{name} = {value!r}' for name, value in settings.items()),
        'members = [',
    ]
    for member in members:
        if member.name in selection.weights:
            fields = {k: v for k, v in asdict(member).items() if v is not None}
            fields['weight'] = float(selection.weights[member.name])
            lines.append(f'    dict({", ".join(f"{k}={v!r}" for k, v in fields.items())}),')
    lines += [']', "custom_imports = dict(imports=['mmcellseg.components'], allow_failed_imports=False)", '']
    return '\n'.join(lines)
