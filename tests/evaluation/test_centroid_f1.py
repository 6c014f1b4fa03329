import numpy as np

from mmcellseg.evaluation.centroid_f1 import centroids, f1, f1_counts

NONE: tuple = ((), ())


def counts(gt: tuple, pred: tuple, categories=(), **radius: float) -> list[tuple[int, int]]:
    """Of (points xy, classes) on both sides."""
    xy = [np.array(points, float).reshape(-1, 2) for points, _ in (gt, pred)]
    classes = [np.array(of_points, int) for _, of_points in (gt, pred)]
    return f1_counts(xy[0], classes[0], xy[1], classes[1], categories, **radius)


def test_centroids_by_hand() -> None:
    centres = centroids(np.array([[1, 1, 0, 0], [0, 0, 0, 3], [0, 0, 3, 3]]), 3)
    np.testing.assert_allclose(centres[[0, 2]], [[0.5, 0], [8 / 3, 5 / 3]])
    assert np.isnan(centres[1]).all()


def test_pairs_end_at_the_radius() -> None:
    gt, pred = (((0, 0), (100, 0)), (1, 2)), (((0, 12), (100, 12.01)), (1, 2))
    assert counts(gt, pred, (1, 2)) == [(1, 0), (0, 2), (1, 2)]  # 12 px, the published value
    assert f1(1, 2) == 2 / (2 + 1 + 1)
    gt, pred = (((0, 0),), (1,)), (((0, 7),), (1,))
    assert [counts(gt, pred, radius=radius) for radius in (6, 7)] == [[(0, 2)], [(1, 0)]]


def test_the_sum_of_the_distances_is_least() -> None:
    """Nearest first would give the pairs 1 px and 11 px, the least sum is 5 + 5."""
    assert counts((((0, 0), (6, 0)), (1, 2)), (((5, 0), (11, 0)), (1, 2)), (1, 2)) == [(1, 0), (1, 0), (2, 0)]


def test_nothing_on_a_side_and_instances_without_pixels() -> None:
    hidden = (np.nan, np.nan)
    assert counts((((0, 0), hidden), (1, 1)), ((hidden, (1, 1)), (1, 1))) == [(1, 0)]
    assert counts((((0, 0),), (1,)), NONE) == [(0, 1)]
    assert counts(NONE, NONE) == [(0, 0)]
    assert np.isnan(f1(0, 0))


def test_f1_of_classes_by_hand() -> None:
    """Pairs (true, predicted): 1-1, 1-1, 1-2, 2-1; a lone cell of 1; lone predictions of 1 and 2."""
    places = tuple((50 * k, 0) for k in range(7))
    found = counts((places[:5], (1, 1, 1, 2, 1)), (places[:4] + places[5:], (1, 1, 2, 1, 1, 2)), (1, 2, 3))
    assert [f1(*pair) for pair in found[:2]] == [4 / (4 + 2 * 1 + 2 * 1 + 1 + 1), 0.0]
    assert found[2] == (0, 0)
    assert f1(*found[3]) == 8 / (8 + 1 + 2)
