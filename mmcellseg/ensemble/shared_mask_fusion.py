"""Cells by agreement across classes: all votes for a cell shape one mask, and each class keeps its own score."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ..structures.masks import InstanceMasks
from ..structures.overlaps import common_pixels
from .detections import Detections
from .fusion import Fusion
from .overlap import overlap_groups
from .weighted_mask_fusion import assign_clusters, vote_masks, votes_of


def lift_best(cell: np.ndarray, scores: np.ndarray, lift: float) -> np.ndarray:
    """Scores (G,) in which the best class of each cell has gained ``lift`` × what its other classes add to its score.

    A cell's score is the sum over its classes, and 1 at most: detections of two classes may each be sure of a cell.
    Of equal classes the first gains. ``cell`` (G,): which cell each score belongs to, from 0 to K - 1.
    """
    order = np.lexsort((np.arange(len(cell)), -scores, cell))
    best = order[np.unique(cell[order], return_index=True)[1]]
    out = scores.copy()
    whole = np.minimum(np.bincount(cell, scores), 1.0)
    out[best] += lift * (whole[cell[best]] - scores[best]).clip(0)
    return out


def outline_agreement(
    masks: InstanceMasks, merged: InstanceMasks, cluster: np.ndarray, votes: np.ndarray
) -> np.ndarray:
    """How well N voters agree with the K masks that they voted for: the mean IoU (K,), weighted by the votes (N,).

    ``cluster``: (N,) from 0 to K - 1, each of them present.
    """
    both, first = InstanceMasks.cat([masks, merged]), np.arange(len(masks))
    second = len(masks) + cluster
    common, areas = common_pixels(both, both, first, second), both.areas
    iou = common / np.maximum(areas[first] + areas[second] - common, 1)
    return np.bincount(cluster, iou * votes) / np.bincount(cluster, votes)


@dataclass(kw_only=True, eq=False)
class SharedMaskFusion(Fusion):
    """Merge the members' detections of each cell into one mask, and keep every class that it was given.

    Detections are clustered whatever their class. In a cluster the best detection of each member and class votes for
    the pixels, with its score × the member's weight, and more than half of the votes make the mask; a class scores the
    weighted mean over all members × ``outline_agreement``: members that found a cell but saw different outlines are
    less likely to have met it. So the doubt between two classes costs a cell neither votes for its outline nor, by
    ``lift`` (see ``lift_best``), its place in a label map, while each class is still ranked for AP by the members'
    belief in it. With ``hidden_factor`` = 1 - ``lift`` the best class gains what the others lose.
    """

    lift: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_share('lift')

    def merge(self, detections: Detections, weights: np.ndarray) -> Detections:
        """See ``Fusion.merge``."""
        groups = overlap_groups(detections, self.iou, self.threshold)
        classes, column = np.unique(detections.labels, return_inverse=True)
        cluster = assign_clusters(groups, detections.members * len(classes) + column)
        voters = np.flatnonzero(cluster >= 0)
        cluster, scores = cluster[voters], detections.scores[voters]
        votes = votes_of(scores)
        own = detections.masks[voters]
        masks = vote_masks(own, cluster, votes, 0.5)
        # One guess for each class in a cluster; the first of its voters is the best ranked.
        key = cluster * len(classes) + column[voters]
        guesses, leader, guess = np.unique(key, return_index=True, return_inverse=True)
        cell = guesses // max(len(classes), 1)
        means = np.bincount(guess, scores) / math.fsum(weights)
        final = np.minimum(lift_best(cell, means, self.lift), 1) * outline_agreement(own, masks, cluster, votes)[cell]
        return replace(detections[voters[leader]].with_masks(masks[cell]), scores=final)
