import numpy as np

from mmcellseg.evaluation import centroid_f1


def detection_f1(pairs: centroid_f1.Pairing) -> float:
    return centroid_f1.f1(*centroid_f1.detection_counts(pairs))


def class_f1(pairs: centroid_f1.Pairing, category: int) -> float:
    return centroid_f1.f1(*centroid_f1.class_counts(pairs, category))


def points(*xy: tuple[float, float]) -> np.ndarray:
    return np.array(xy, float).reshape(-1, 2)


def test_centroids_by_hand() -> None:
    label_map = np.array([[1, 1, 0, 0], [0, 0, 0, 3], [0, 0, 3, 3]])
    centres = centroid_f1.centroids(label_map, 3)
    np.testing.assert_allclose(centres[[0, 2]], [[0.5, 0], [8 / 3, 5 / 3]])
    assert np.isnan(centres[1]).all()


def test_pairs_end_at_12_px() -> None:
    gt, pred = points((0, 0), (100, 0)), points((0, 12), (100, 12.01))
    pairs = centroid_f1.pair_by_centroid(gt, np.array([1, 2]), pred, np.array([5, 6]))
    assert pairs.gt.tolist() == [1]
    assert pairs.pred.tolist() == [5]
    assert pairs.lone_gt.tolist() == [2]
    assert pairs.lone_pred.tolist() == [6]
    assert detection_f1(pairs) == 2 / (2 + 1 + 1)


def test_the_sum_of_the_distances_is_least() -> None:
    """Nearest first would give the pairs 1 px and 11 px, the least sum is 5 + 5."""
    gt, pred = points((0, 0), (6, 0)), points((5, 0), (11, 0))
    pairs = centroid_f1.pair_by_centroid(gt, np.array([1, 2]), pred, np.array([1, 2]))
    assert pairs.gt.tolist() == pairs.pred.tolist() == [1, 2]


def test_instances_without_pixels_stay_out() -> None:
    gt, pred = points((0, 0), (np.nan, np.nan)), points((np.nan, np.nan), (1, 1))
    pairs = centroid_f1.pair_by_centroid(gt, np.array([1, 1]), pred, np.array([1, 1]))
    assert detection_f1(pairs) == 1.0


def test_f1_of_classes_by_hand() -> None:
    """Pairs (true, predicted): 1-1, 1-1, 1-2, 2-1; a lone cell of 1; lone predictions of 1 and 2."""
    pairs = centroid_f1.Pairing(*map(np.array, ([1, 1, 1, 2], [1, 1, 2, 1], [1], [1, 2])))
    assert detection_f1(pairs) == 8 / (8 + 1 + 2)
    assert class_f1(pairs, 1) == 4 / (4 + 2 * 1 + 2 * 1 + 1 + 1)
    assert class_f1(pairs, 2) == 0.0
    assert np.isnan(class_f1(pairs, 3))


def test_the_radius_is_an_option() -> None:
    gt, pred = points((0, 0)), points((0, 7))
    assert detection_f1(centroid_f1.pair_by_centroid(gt, np.array([1]), pred, np.array([1]), radius=6)) == 0.0
    assert detection_f1(centroid_f1.pair_by_centroid(gt, np.array([1]), pred, np.array([1]), radius=7)) == 1.0


def test_no_cells_or_no_predictions() -> None:
    none = np.zeros((0, 2))
    some = centroid_f1.pair_by_centroid(points((0, 0)), np.array([1]), none, np.zeros(0, int))
    assert detection_f1(some) == 0.0
    nothing = centroid_f1.pair_by_centroid(none, np.zeros(0, int), none, np.zeros(0, int))
    assert np.isnan(detection_f1(nothing))
