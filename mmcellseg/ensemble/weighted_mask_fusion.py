"""Cells by agreement: the members' masks of one cell vote for its pixels, its class and its score."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from ..structures.masks import InstanceMasks
from ..structures.ragged import offsets
from .detections import Detections
from .fusion import Fusion
from .overlap import Groups, overlap_groups

Rescoring = Literal['agreement', 'max_agreement']
RESCORINGS = ('agreement', 'max_agreement')


def assign_clusters(groups: Groups, members: np.ndarray) -> np.ndarray:
    """The cluster (N,) of each ranked detection, -1 for a member's second detection of one cell.

    A detection joins the seed that it overlaps most (of equal overlaps the better seed). Of a member's several
    detections in a cluster the best ranked votes, and the others belong nowhere.
    """
    cluster = np.full(len(members), -1, np.int64)
    order = np.lexsort((groups.leader, -groups.value, groups.other))
    _, heads = np.unique(groups.other[order], return_index=True)
    best = order[heads]
    cluster[groups.other[best]] = np.searchsorted(groups.seeds, groups.leader[best])
    cluster[groups.seeds] = np.arange(len(groups.seeds))
    placed = np.flatnonzero(cluster >= 0)
    key = cluster[placed] * (members.max(initial=0) + 1) + members[placed]
    _, heads = np.unique(key, return_index=True)  # the first of equal keys, so the best ranked
    out = np.full(len(members), -1, np.int64)
    out[placed[heads]] = cluster[placed[heads]]
    return out


def votes_of(scores: np.ndarray) -> np.ndarray:
    """The votes that scores give, all above 0: a score of 0 still says where the cell is."""
    return np.maximum(scores, np.finfo(float).tiny)


def vote_masks(masks: InstanceMasks, cluster: np.ndarray, votes: np.ndarray, threshold: float) -> InstanceMasks:
    """One mask a cluster (N,), from 0 to K - 1: the pixels for which more than ``threshold`` of its votes (N,) are.

    The masks are in ranked order: a cluster's first is its seed, whose mask stays where no pixel has as many votes.
    """
    order = np.argsort(cluster, kind='stable')
    windows, corners, weight = masks.windows(), masks.boxes.tolist(), votes.tolist()
    boxes, merged = [], []
    for start, stop in pairwise(offsets(np.bincount(cluster)).tolist()):
        group = order[start:stop].tolist()
        box, mask = corners[group[0]], windows[group[0]]
        if len(group) > 1:
            own = [corners[k] for k in group]
            left, top = min(b[0] for b in own), min(b[1] for b in own)
            right, bottom = max(b[2] for b in own), max(b[3] for b in own)
            sums, total = np.zeros((bottom - top, right - left)), 0.0
            for k, (x0, y0, x1, y1) in zip(group, own, strict=True):
                sums[y0 - top : y1 - top, x0 - left : x1 - left] += weight[k] * windows[k]
                total += weight[k]
            won = sums > threshold * total
            if won.any():
                box, mask = [left, top, right, bottom], won.astype(np.uint8)
        boxes.append(box)
        merged.append(mask)
    return InstanceMasks.from_windows(np.array(boxes, np.int32).reshape(-1, 4), merged, masks.height, masks.width)


def rescore(
    cluster: np.ndarray, weighted: np.ndarray, weights: np.ndarray, all_weights: float, rule: Rescoring
) -> np.ndarray:
    """Scores (K,) of the clusters; means and counts are weighted.

    - ``'agreement'``: the mean score × members present / members. The rule of Solovyev et al. 2021, "Weighted boxes
      fusion: Ensembling boxes from different object detection models", and ``conf_type='avg'`` of the authors'
      package ensemble-boxes.
    - ``'max_agreement'``: the best score × members present / members. The package's ``conf_type='max'`` takes the
      best score and does not count the members; to count them as well is this project's own combination.

    ``weighted`` (N,) are scores × weights, ``all_weights`` is the sum over all members, present or not.
    """
    sums, present = np.bincount(cluster, weighted), np.bincount(cluster, weights)
    if rule == 'agreement':
        scores = sums / all_weights
    else:
        best = np.zeros(len(sums))
        np.maximum.at(best, cluster, weighted / weights)
        scores = best * present / all_weights
    return np.minimum(scores, 1)  # sums of floats can pass by a last digit what they are parts of


def vote_labels(cluster: np.ndarray, labels: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Class (K,) with the most votes in each cluster; of equal ones the lowest category id."""
    names, column = np.unique(labels, return_inverse=True)
    table = np.zeros((cluster.max(initial=-1) + 1, len(names)))
    np.add.at(table, (cluster, column), votes)
    return names[table.argmax(axis=1)] if len(table) else labels[:0]


@dataclass(kw_only=True, eq=False)
class WeightedMaskFusion(Fusion):
    """Merge the members' detections of each cell into one.

    The seeds are those of ``NMSFusion``; every other detection joins the seed that it overlaps most, at most one
    of a member in a cluster. Score × weight of each decides on pixels and class.

    Args:
        iou, threshold: See ``Fusion``.
        class_wise: Cluster each class by itself.
        vote_threshold: A pixel belongs to the mask if more than this share of the cluster's votes are for it.
        rescoring: See ``rescore``.
    """

    class_wise: bool = False
    vote_threshold: float = 0.5
    rescoring: Rescoring = 'agreement'

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_share('vote_threshold', below=True)
        if self.rescoring not in RESCORINGS:
            raise ValueError(f'rescoring is {self.rescoring!r}, expected one of {RESCORINGS}')

    def merge(self, detections: Detections, weights: np.ndarray) -> Detections:
        """See ``Fusion.merge``."""
        groups = overlap_groups(detections, self.iou, self.threshold, self.class_wise)
        cluster = assign_clusters(groups, detections.members)
        voters = np.flatnonzero(cluster >= 0)
        cluster, scores = cluster[voters], detections.scores[voters]
        votes = votes_of(scores)
        masks = vote_masks(detections.masks[voters], cluster, votes, self.vote_threshold)
        labels = vote_labels(cluster, detections.labels[voters], votes)
        of_voter = weights[detections.members[voters]]
        final = rescore(cluster, scores, of_voter, math.fsum(weights), self.rescoring)
        return replace(detections[groups.seeds].with_masks(masks), labels=labels, scores=final)
