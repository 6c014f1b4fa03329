import contextlib
import copy
import io

import numpy as np
import pytest
from drawn_cells import annotations, as_predictions, predictions, random_case, rectangle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmcellseg.evaluation.ap import largest_group, match_predictions, precision_table, ranks
from mmcellseg.evaluation.evaluate import evaluate_results
from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.evaluation.predictions import Predictions

SHAPE = (40, 40)


def reference(data: dict, results: list[dict], kind: str, max_dets: int, edges: tuple[float, float]) -> np.ndarray:
    """pycocotools' precision (10, 101, K, 4) with the same parameters."""
    data, results = copy.deepcopy(data), copy.deepcopy(results)
    if kind == 'segm':
        for entry in results:
            del entry['bbox']  # or the bins would go by the boxes' areas
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = data
        gt.createIndex()
        evaluator = COCOeval(gt, gt.loadRes(results), kind)
        low, high = edges
        evaluator.params.maxDets = [max_dets]
        evaluator.params.areaRng = [[0, 1e10], [0, low], [low, high], [high, 1e10]]
        evaluator.params.areaRngLbl = ['all', 'small', 'medium', 'large']
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator.eval['precision'][..., 0]


def ours(data, results, kind, max_dets, edges) -> np.ndarray:
    gt = GroundTruth(data)
    return precision_table(match_predictions(gt, Predictions(results, gt), kind, max_dets, edges, sorted(gt.images)))


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
@pytest.mark.parametrize('max_dets', [100, 2000])
@pytest.mark.parametrize(('crowd', 'ties'), [(False, False), (True, False), (False, True), (True, True)])
def test_parity_with_pycocotools(kind: str, max_dets: int, crowd: bool, ties: bool) -> None:
    rng = np.random.default_rng([crowd, ties])
    data, results = random_case(rng, crowd=crowd, ties=ties)
    edges = (60.5, 120.5)
    table = ours(data, results, kind, max_dets, edges)
    np.testing.assert_allclose(table, reference(data, results, kind, max_dets, edges), rtol=0, atol=1e-9)
    assert table[:, :, 0].max() > 0.3  # the case is not degenerate
    if not crowd and not ties:
        other = ours(data, results, kind, 100 if max_dets > 100 else 2000, edges)
        assert np.abs(other - table).max() > 0.01  # the cap bites in this case


@pytest.mark.parametrize('seed', range(8))
def test_parity_in_a_crush(seed: int) -> None:
    """Few places, many cells and crowd regions on each, boxes off the pixel grid, few different scores."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 12, (6, 2))

    def thing() -> np.ndarray:
        x, y = corners[rng.integers(6)] + rng.integers(0, 2, 2)
        return rectangle(SHAPE, *(int(v) for v in (x, y, x + rng.integers(4, 9), y + rng.integers(4, 9))))

    cells = [(int(i), int(c), thing(), rng.random() < 0.2) for i, c in rng.integers(1, 3, (40, 2))]
    found = [(int(i), int(c), thing(), float(rng.integers(1, 6) / 5)) for i, c in rng.integers(1, 3, (120, 2))]
    data, results = annotations({1: SHAPE, 2: SHAPE}, cells), predictions(found)
    for item in [*data['annotations'], *results]:
        item['bbox'] = (np.array(item['bbox']) + rng.uniform(0, 0.4, 4)).tolist()
    for kind in ('bbox', 'segm'):
        for max_dets in (10, 2000):
            args = data, results, kind, max_dets, (25.5, 36.5)
            np.testing.assert_allclose(ours(*args), reference(*args), rtol=0, atol=1e-9)


def test_parity_on_real_labels_with_noise(consep_dir) -> None:
    """CoNSeP's nuclei, moved by up to 2 px, some of them in a wrong class."""
    rng = np.random.default_rng(0)
    sizes, cells, found = {}, [], []
    for image_id, path in enumerate(sorted((consep_dir / 'labels').glob('*.npz'))[:3], start=1):
        label = np.load(path)
        inst = label['inst'][:300, :300]
        kinds = dict(zip(label['ids'].tolist(), label['types'].tolist()))
        sizes[image_id] = inst.shape
        for k in np.unique(inst[inst > 0]).tolist():
            mask = (inst == k).astype(np.uint8)
            cells.append((image_id, kinds[k], mask))
            for _ in range(2):
                moved = np.roll(mask, rng.integers(-2, 3, 2), axis=(0, 1))
                category = kinds[k] if rng.random() < 0.9 else int(rng.integers(1, 5))
                found.append((image_id, category, moved, float(rng.random())))
    classes = max(c for _, c, _ in cells)
    data = annotations(sizes, cells, classes=max(classes, 4))
    results = predictions(found)
    edges = GroundTruth(data).area_edges(list(sizes))
    for kind in ('bbox', 'segm'):
        table = ours(data, results, kind, 2000, edges)
        np.testing.assert_allclose(table, reference(data, results, kind, 2000, edges), atol=1e-9)
        assert 0.1 < table[0][table[0] > -1].mean() < 0.99


def test_ap_by_hand() -> None:
    """Two cells; scores .9 hit, .8 miss, .7 hit: precision 1 up to recall 0.5, then 2/3."""
    first, second = rectangle(SHAPE, 0, 0, 10, 10), rectangle(SHAPE, 20, 20, 30, 30)
    data = annotations({1: SHAPE}, [(1, 1, first), (1, 1, second)])
    results = predictions([(1, 1, first, 0.9), (1, 1, rectangle(SHAPE, 0, 30, 5, 35), 0.8), (1, 1, second, 0.7)])
    figures = evaluate_results(results, data, metrics=['segm', 'bbox'])
    expected = (51 * 1 + 50 * 2 / 3) / 101  # recalls 0 … 0.50 and 0.51 … 1
    for kind in ('segm', 'bbox'):
        for key in ('AP', 'AP50', 'AP75', 'AP50_class1'):
            assert figures[f'{kind}_{key}'] == pytest.approx(expected, abs=1e-12)
        assert np.isnan(figures[f'{kind}_AP50_class2'])


@pytest.mark.parametrize('number', [1, 2, 3, 7])
def test_perfect_prediction_is_exactly_one(number: int) -> None:
    cells = [(1, 1 + k % 2, rectangle(SHAPE, 5 * k, 0, 5 * k + 4, 4)) for k in range(number)]
    data = annotations({1: SHAPE, 2: SHAPE}, cells)
    data['annotations'][0]['id'] = 0  # means "no match" in pycocotools
    figures = evaluate_results(as_predictions(data), data, metrics=['bbox', 'segm'])
    for key in ('segm_AP', 'segm_AP50', 'segm_AP75', 'bbox_AP', 'segm_AP_class1'):
        assert figures[key] == 1.0


def test_default_cap_cuts_nothing_and_a_given_one_holds_everywhere() -> None:
    corners = [(4 * x, 4 * y) for y in range(4) for x in range(10)]
    data = annotations({1: SHAPE}, [(1, 1, rectangle(SHAPE, x, y, x + 3, y + 3)) for x, y in corners])
    results = as_predictions(data)
    gt = GroundTruth(data)
    assert largest_group(Predictions(results, gt)) == 40
    assert largest_group(Predictions([], gt)) == 1
    uncapped = evaluate_results(results, gt, metrics=['segm'])
    np.testing.assert_equal(uncapped, evaluate_results(results, gt, metrics=['segm'], max_dets=40))
    capped = evaluate_results(results, gt, metrics=['segm', 'bbox'], max_dets=10)
    assert capped['max_dets'] == 10
    for key in ('segm_AP', 'segm_AP50', 'bbox_AP75'):
        assert capped[key] == pytest.approx(26 / 101)  # 10 of 40: recalls 0 … 0.25


def test_images_of_large_ids_are_ranked_apart() -> None:
    cell = rectangle(SHAPE, 0, 0, 9, 9)
    ids = [2**53, 2**53 + 1, 2**53 + 2]  # no float tells them apart
    data = annotations(dict.fromkeys(ids, SHAPE), [(ids[0], 1, cell)])
    table = Predictions(predictions([(i, 1, cell, 0.5) for i in ids]), GroundTruth(data))
    assert ranks(table).tolist() == [0, 0, 0]


def test_area_bins_come_from_the_data() -> None:
    cells = [(1, 1, rectangle((99, 99), 0, 10 * k, k + 1, 10 * k + 1)) for k in range(9)]  # areas 1 … 9 px
    gt = GroundTruth(annotations({1: (99, 99)}, cells))
    assert gt.area_edges([1]) == (3.5, 6.5)
    results = as_predictions(annotations({1: (99, 99)}, cells[:3]))
    figures = evaluate_results(results, gt, metrics=['segm'])
    assert [figures[f'segm_AP_{size}'] for size in ('small', 'medium', 'large')] == [1.0, 0.0, 0.0]
    figures = evaluate_results(results, gt, metrics=['segm'], area_edges=(1.5, 3.5))
    assert [figures[f'segm_AP_{size}'] for size in ('small', 'medium', 'large')] == [1.0, 1.0, 0.0]


def test_a_class_named_as_an_area_bin_leaves_the_bin_its_key() -> None:
    cells = [(1, 1, rectangle(SHAPE, 0, 0, 5, 5)), (1, 2, rectangle(SHAPE, 10, 10, 30, 30))]
    data = annotations({1: SHAPE}, cells)
    data['categories'][0]['name'], data['categories'][1]['name'] = 'small', 'large'
    figures = evaluate_results(as_predictions(data)[:1], data, metrics=['segm'], area_edges=(100.5, 500.5))
    assert (figures['segm_AP_small'], figures['segm_AP_medium']) == (1.0, 0.0)
    assert np.isnan(figures['segm_AP_large'])  # no cell above 500.5 px², though there is a class of this name
    assert (figures['segm_AP_class_small'], figures['segm_AP_class_large']) == (1.0, 0.0)
    assert (figures['segm_AP50_small'], figures['segm_AP50_large']) == (1.0, 0.0)
