import copy
import gc
import json
import logging
import math
import re
import weakref

import numpy as np
import pytest
from drawn_cells import annotations, as_predictions, disc, random_case, rectangle
from pycocotools import mask as coco_mask

from mmcellseg.evaluation.evaluate import METRICS, Evaluation, evaluate_results, sweep_score_thresholds
from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.evaluation.instances import EvaluationError
from mmcellseg.structures.coco import CocoError
from mmcellseg.structures.results import ResultsError, write_results

SHAPE = (30, 40)
GONE = object()


@pytest.fixture
def data() -> dict:
    cells = [(1, 1, rectangle(SHAPE, 0, 0, 8, 8)), (1, 2, disc(SHAPE, 20, 15, 6)), (4, 1, disc(SHAPE, 9, 9, 5))]
    return annotations({1: SHAPE, 4: SHAPE}, cells)


def defined(figures: dict) -> dict:
    """Without R² of classes that every image has equally many of."""
    return {key: value for key, value in figures.items() if not math.isnan(value)}


def test_from_files(data: dict, tmp_path) -> None:
    (tmp_path / 'ann.json').write_text(json.dumps(data))
    write_results(tmp_path / 'results.json', as_predictions(data))
    figures = evaluate_results(tmp_path / 'results.json', tmp_path / 'ann.json')
    assert defined(figures) == defined(evaluate_results(as_predictions(data), GroundTruth(str(tmp_path / 'ann.json'))))
    assert {figures[key] for key in ('segm_AP', 'bbox_AP50_class2', 'PQ', 'mPQ+', 'AJI', 'Dice', 'F1')} == {1.0}


def test_keys_are_stable(data: dict) -> None:
    keys = list(evaluate_results(as_predictions(data), data))
    assert keys == list(evaluate_results([], data))
    per_kind = [
        *('AP', 'AP50', 'AP75', 'AP_small', 'AP_medium', 'AP_large'),
        *(f'{ap}_{name}' for ap in ('AP', 'AP50', 'AP75') for name in ('class1', 'class2')),
    ]
    assert keys == [
        *(f'{kind}_{key}' for kind in ('bbox', 'segm') for key in per_kind),
        *(f'{key}{name}' for key in ('PQ', 'DQ', 'SQ') for name in ('', '_class1', '_class2')),
        *('mPQ+', 'PQ+_class1', 'PQ+_class2', 'bPQ', 'bDQ', 'bSQ', 'AJI', 'AJI+', 'Dice'),
        *('F1', 'F1_class1', 'F1_class2', 'R2', 'R2_class1', 'R2_class2', 'max_dets'),
    ]
    assert list(evaluate_results([], data, metrics=['matching'])) == [
        f'{key}@{iou}{name}'
        for iou in (0.5, 0.6, 0.7, 0.8, 0.9)
        for key in ('precision', 'recall', 'F1')
        for name in ('', '_class1', '_class2')
    ]
    assert set(evaluate_results([], data, metrics=['panoptic'])) == {
        k for k in keys if not k.startswith(('bbox', 'segm', 'max'))
    }


def test_no_prediction_gives_zeros_and_says_so(data: dict, caplog) -> None:
    figures = evaluate_results([], data, metrics=METRICS)
    scores = {v for k, v in figures.items() if not k.startswith(('R2', 'max_dets'))}
    assert scores == {0.0}
    assert figures['R2_class2'] == 1 - (1**2 + 0**2) / (0.5**2 + 0.5**2)  # one cell, none; the mean is 0.5
    assert [(r.message, r.levelno) for r in caplog.records] == [('There is not a single prediction.', logging.WARNING)]


def test_subset_of_images_equals_files_of_these_images_and_nothing_changes() -> None:
    data, results = random_case(np.random.default_rng(1), most=60)
    ids = [3, 20]
    part = {**data, 'images': [i for i in data['images'] if i['id'] in ids]}
    part['annotations'] = [a for a in data['annotations'] if a['image_id'] in ids]
    few = [e for e in results if e['image_id'] in ids]
    before = copy.deepcopy((data, results))
    gt = GroundTruth(data)
    cap = evaluate_results(few, part)['max_dets']
    chosen = evaluate_results(results, gt, image_ids=ids, max_dets=int(cap))
    np.testing.assert_equal(chosen, evaluate_results(few, part))
    np.testing.assert_equal(evaluate_results(results, gt), evaluate_results(results, data))  # it serves again
    assert (data, results) == before


def test_polygons_and_plain_counts_are_read(data: dict) -> None:
    expected = defined(evaluate_results(as_predictions(data), data))
    results = as_predictions(data)
    mask = rectangle(SHAPE, 0, 0, 8, 8)
    data['annotations'][0]['segmentation'] = [[0, 0, 8, 0, 8, 8, 0, 8]]
    flat = mask.ravel(order='F')
    runs = np.diff(np.flatnonzero(np.diff(flat, prepend=1 - flat[0], append=1 - flat[-1]))).tolist()
    assert defined(evaluate_results(results, data)) == expected
    data['annotations'][0]['segmentation'] = {'size': list(SHAPE), 'counts': [0, *runs]}
    assert defined(evaluate_results(results, data)) == expected


def test_boxes_alone(data: dict) -> None:
    results = [{k: v for k, v in e.items() if k != 'segmentation'} for e in as_predictions(data)]
    for ann in data['annotations']:
        del ann['segmentation']
    assert evaluate_results(results, data, metrics=['bbox'])['bbox_AP'] == 1.0
    with pytest.raises(EvaluationError, match='without segmentation; evaluate bbox only'):
        evaluate_results([], data, metrics=['panoptic'])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'image_id': 9}, r'prediction entry 1 \(image 9\): image id 9 is not among the 2 known images'),
        ({'image_id': '1'}, r"image id '1' is not among"),
        ({'category_id': 3}, r'prediction entry 1 .*: unknown category 3, expected one of \[1, 2\]'),
        ({'score': float('nan')}, r'prediction entry 1 \(image 1\): score nan, expected a finite number'),
        ({'score': GONE}, r'prediction entry 1 \(image 1\): it has no score'),
        ({'bbox': [1, 2, 3, math.inf]}, r'prediction entry 1 \(image 1\): bbox .*inf'),
        ({'segmentation': {'size': [30, 40], 'counts': [0, 1200]}}, 'compressed string'),
        ({'segmentation': {'size': [40, 30], 'counts': 'P`1'}}, r'RLE size \[40, 30\], expected \[30, 40\] of the'),
        ({'segmentation': {'size': [30, 40], 'counts': '11'}}, r'entry 1 .*: it covers 2 px, expected 30 × 40 = 1200'),
    ],
)
def test_bad_predictions_are_named(data: dict, change: dict, message: str) -> None:
    results = as_predictions(data)
    results[1] |= change
    with pytest.raises(EvaluationError, match=message):
        evaluate_results([{k: v for k, v in e.items() if v is not GONE} for e in results], data)
    with pytest.raises(EvaluationError, match='prediction entry 0 .*: expected an object, found 7'):
        evaluate_results([7], data)


def test_what_a_model_may_predict_is_evaluated(data: dict) -> None:
    results = as_predictions(data)
    for change in ({'score': 1.5}, {'bbox': [1, 2, 0, 3]}, {'bbox': [0, 0, 90, 90]}):
        assert evaluate_results([*results, results[0], results[1] | change], data)['PQ'] > 0
    empty = {'size': list(SHAPE), 'counts': coco_mask.encode(np.zeros(SHAPE, np.uint8, order='F'))['counts']}
    figures = evaluate_results([*results, {**results[0], 'segmentation': empty, 'score': 0.5}], data)
    assert (figures['segm_AP'], figures['PQ'], figures['F1']) == (1.0, 1.0, 1.0)  # an empty mask finds nothing


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'metrics': ['mask']}, r"metrics \['mask'\]: expected some of"),
        ({'image_ids': [1, 77]}, r'no images with the ids \[77\]'),
        ({'image_ids': []}, 'the annotations: image_ids is empty, expected one image or more'),
        *(({'max_dets': cap}, f'max_dets is {cap}, expected a whole number above 0') for cap in (0, -1, 2.5, True)),
        *(
            ({'area_edges': edges}, f'area_edges is {re.escape(repr(edges))}, expected two areas')
            for edges in ((50, 10), (5,), (), (-1, 4), (1, math.nan), 7)
        ),
        *(({'f1_radius': r}, 'f1_radius is .*, expected a distance in px from 0 up') for r in (-1, math.nan, '12')),
    ],
)
def test_settings_that_make_no_sense(data: dict, settings: dict, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        evaluate_results([], data, **settings)


def test_files_that_cannot_be_evaluated(data: dict, tmp_path) -> None:
    with pytest.raises(CocoError, match=r"no category named \['class9'\], it has \['class1', 'class2'\]"):
        GroundTruth(data, classes=['class9'])
    with pytest.raises(EvaluationError, match='not one annotation to evaluate against; use format_only'):
        evaluate_results([], {**data, 'annotations': []})
    with pytest.raises(ResultsError, match='there is no such predictions file'):
        evaluate_results(tmp_path / 'none.json', data)
    with pytest.raises(EvaluationError, match='the annotations: its list of images is empty'):
        evaluate_results([], {'images': [], 'categories': []})


def test_the_masks_of_one_image_at_a_time_are_held(data: dict) -> None:
    gt = GroundTruth(data)
    held = weakref.ref(gt.masks(1))
    assert gt.masks(1) is held()
    gt.masks(4)
    gc.collect()
    assert held() is None


@pytest.mark.parametrize('crowd', [False, True])
def test_a_sweep_of_score_thresholds_equals_an_evaluation_at_each(crowd: bool) -> None:
    """Bit for bit, with scores that tie with each other and with thresholds."""
    data, results = random_case(np.random.default_rng(21), crowd=crowd, ties=True, most=90)
    thresholds = (0.0, 0.2, 0.4, 0.45, 0.6, 0.8, 0.95)
    swept = sweep_score_thresholds(results, data, thresholds)
    assert list(swept) == list(thresholds)
    for threshold, figures in swept.items():
        assert repr(figures) == repr(evaluate_results(results, data, metrics=['panoptic'], score_thr=threshold))
    assert len({figures['bPQ'] for figures in swept.values()}) == 5  # scores are 0.2, 0.4, 0.6 and 0.8


def test_figures_of_drawn_images_are_those_of_a_data_set_of_these_images() -> None:
    data, results = random_case(np.random.default_rng(22), crowd=True, most=60)
    evaluation = Evaluation(results, data, metrics=METRICS, max_dets=30, area_edges=(60.5, 120.5))
    assert evaluation.image_ids == [3, 7, 12, 20, 21]
    drawn = np.array([3, 0, 3, 1, 4])
    copies: dict = {'images': [], 'annotations': [], 'categories': data['categories']}
    found = []
    for new, position in enumerate(drawn.tolist(), start=100):
        old = evaluation.image_ids[position]
        copies['images'] += [{**i, 'id': new} for i in data['images'] if i['id'] == old]
        mine = [a for a in data['annotations'] if a['image_id'] == old]
        copies['annotations'] += [{**a, 'id': 1000 * new + a['id'], 'image_id': new} for a in mine]
        found += [{**e, 'image_id': new} for e in results if e['image_id'] == old]
    expected = evaluate_results(found, copies, metrics=METRICS, max_dets=30, area_edges=(60.5, 120.5))
    figures = evaluation.figures(drawn)
    assert list(figures) == list(expected)
    np.testing.assert_allclose(list(figures.values()), list(expected.values()), rtol=0, atol=1e-12)
    whole = evaluation.figures()
    assert sum(whole[key] != figures[key] for key in whole) > 50
