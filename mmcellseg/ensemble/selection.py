"""Which members an ensemble should have, measured on predictions whose truth is known.

Greedy forward selection with replacement: Caruana, Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble selection
from libraries of models". A member that is drawn k times gets the weight k.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from multiprocessing import get_context
from typing import Any

import numpy as np
from tqdm import tqdm

from ..evaluation.evaluate import evaluate_results
from ..evaluation.ground_truth import GroundTruth
from ..structures.results import ResultsError
from .calibration import Calibration, match_hits
from .detections import Detections
from .fusion import Fusion
from .members import ImageSet, Member, open_members, read_checked

Predictions = Mapping[str, Mapping[int, Sequence[Mapping[str, Any]]]]


@dataclass(frozen=True)
class Selection:
    """What ``select_members`` found. Figures are those of the metric it was told.

    ``own``, ``without`` (the loss when all the others are merged without it), ``agreement`` (of pairs of members)
    and ``steps`` (member drawn, figure then) are on the images chosen on. ``weights`` are the outcome, with its
    figure on those images and on the images kept apart; ``everyone`` are those two figures of all members merged.
    """

    metric: str
    images: tuple[int, int]
    own: dict[str, float]
    without: dict[str, float]
    agreement: dict[tuple[str, str], float]
    steps: list[tuple[str, float]]
    weights: dict[str, int]
    chosen_on: float
    kept_apart: float
    everyone: tuple[float, float]


def read_out_of_fold(members: Sequence[Member], images: ImageSet) -> dict[str, dict[int, list[dict[str, Any]]]]:
    """Each member's predictions of images with known truth: its ``oof`` files, joined.

    Raises:
        ValueError: A member has none.
        ResultsError: One of the files is not in order, as ``merge_files`` has it; two of a member have an image.
    """
    out = {}
    for member in members:
        if not member.oof:
            raise ValueError(f'member {member.name!r} has no oof: predictions of images with annotations')
        joined: dict[int, list[dict[str, Any]]] = {}
        for path in [member.oof] if isinstance(member.oof, str) else member.oof:
            (file,) = open_members([Member(member.name, path)], images)
            for image_id in file.image_ids:
                if image_id in joined:
                    raise ResultsError(f'{path}: another oof file of member {member.name!r} has image {image_id} too')
                joined[image_id] = read_checked(file, image_id, images).entries
        out[member.name] = joined
    return out


def fit_calibration(predictions: Predictions, truth: GroundTruth) -> Calibration:
    """Platt curves of each member from its predictions of the annotated images."""
    fitted = {}
    for name, of_member in predictions.items():
        parts = [(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, bool))]
        for image_id, entries in of_member.items():
            found = Detections.from_entries([entries], *truth.images[image_id])
            labels = truth.category_ids[truth.rows(image_id)]
            hits = match_hits(found.masks, found.labels, found.scores, truth.masks(image_id), labels)
            parts.append((found.scores, found.labels, hits))
        scores, labels, hits = (np.concatenate(column) for column in zip(*parts))
        fitted[name] = (scores, labels, hits)
    return Calibration.fit(fitted)


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
        number += len(found[0]) + len(found[1])
        if all(found):
            first, second = (Detections.from_entries([side], *size) for side in found)
            hits = match_hits(first.masks, first.labels, first.scores, second.masks, second.labels)
            pairs += int(hits.sum())
    return 2 * pairs / number if number else 0.0


@dataclass(frozen=True)
class Judge:
    """Scores a merge of members, drawn any number of times each, on given images."""

    predictions: Predictions
    truth: GroundTruth
    fusion: Fusion
    metric: str

    def __call__(self, weights: Mapping[str, int], image_ids: Sequence[int]) -> float:
        names = sorted(weights)
        merged: list[dict[str, Any]] = []
        for image_id in image_ids:
            found = [self.predictions[name].get(image_id, ()) for name in names]
            detections = Detections.from_entries(found, *self.truth.images[image_id])
            merged += self.fusion(detections, names, [weights[name] for name in names]).to_entries(image_id)
        kind = 'bbox' if self.metric.startswith('bbox') else 'segm' if self.metric.startswith('segm') else 'panoptic'
        figures = evaluate_results(merged, self.truth, metrics=(kind,), image_ids=image_ids)
        if self.metric not in figures:
            raise ValueError(f'metric {self.metric!r}, expected one of {sorted(figures)}')
        return figures[self.metric]


_judge: Judge | None = None


def _set_judge(judge: Judge) -> None:
    global _judge
    _judge = judge


def _ask(question: tuple[dict[str, int], list[int]]) -> float:
    assert _judge is not None
    return _judge(*question)


@contextmanager
def _asker(judge: Judge, workers: int) -> Iterator[Callable[[list[tuple[dict[str, int], list[int]]]], list[float]]]:
    """A function that judges weightings on images, in this process or in several."""
    if workers <= 1:
        yield lambda questions: [judge(*question) for question in questions]
        return
    # Spawned: the evaluation's threads do not survive a fork.
    with ProcessPoolExecutor(workers, get_context('spawn'), initializer=_set_judge, initargs=(judge,)) as pool:
        yield lambda questions: list(pool.map(_ask, questions))


def forward_selection(
    names: Sequence[str], score: Callable[[list[dict[str, int]]], list[float]], rounds: int
) -> tuple[list[tuple[str, float]], dict[str, int]]:
    """Draw the member that helps most, again and again, and keep the best beginning of that sequence.

    Args:
        names: The members; of equal figures the first one's member is drawn.
        score: Figures of several weightings at once (member → times drawn); higher is better.
        rounds: How many draws.

    Returns:
        Each draw with the figure after it, and the weights at the best figure (the first of equal ones).
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
    names = list(predictions)
    choose, apart = split_images(list(truth.images), kept_apart, seed)
    judge = Judge(predictions, truth, fusion, metric)
    with _asker(judge, workers) as ask:

        def score(weightings: Sequence[Mapping[str, int]], image_ids: Sequence[int] = choose) -> list[float]:
            return ask([(dict(w), list(image_ids)) for w in weightings])

        everyone = dict.fromkeys(names, 1)
        own = score([{name: 1} for name in names])
        if np.isnan(own).any():
            raise ValueError(
                f'{metric} is not defined on the {len(choose)} images chosen on, as a rule because the class has no '
                'cell there: take another metric, seed or part kept apart'
            )
        whole = [score([everyone], part)[0] for part in (choose, apart)]
        rest = [{k: 1 for k in names if k != name} for name in names] if len(names) > 1 else []
        without = [whole[0] - figure for figure in score(rest)]
        drawn, weights = forward_selection(names, score, rounds)
        chosen_on, on_apart = (score([weights], part)[0] for part in (choose, apart))
    sizes = {i: truth.images[i] for i in choose}
    pairs = {(a, b): agreement(predictions[a], predictions[b], sizes) for a, b in combinations(names, 2)}
    return Selection(
        metric,
        (len(choose), len(apart)),
        dict(zip(names, own, strict=True)),
        dict(zip(names, without, strict=False)),
        pairs,
        drawn,
        weights,
        chosen_on,
        on_apart,
        (whole[0], whole[1]),
    )
