import json
import logging
import multiprocessing
import socket
from datetime import timedelta

import numpy as np
import pytest
import torch
from drawn_cells import annotations, as_predictions, disc, predictions, random_case, rectangle
from mmdet.registry import METRICS
from mmdet.structures.mask import BitmapMasks
from pycocotools import mask as coco_mask

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.components.metrics.cell_metric import CellMetric, to_rles
from mmcellseg.evaluation.evaluate import evaluate_results
from mmcellseg.evaluation.instances import EvaluationError
from mmcellseg.structures.coco import CocoError
from mmcellseg.structures.results import read_results

SHAPE = (30, 40)
VIEWS = ['results.view0.json', 'results.view1.json']


def samples(data: dict, results: list[dict], *, masks: bool = True) -> list[dict]:
    """What the model's test step gives for each image, in order."""
    out = []
    for image in data['images']:
        own = [e for e in results if e['image_id'] == image['id']]
        boxes = torch.tensor([e['bbox'] for e in own], dtype=torch.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        pred = {
            'bboxes': boxes,
            'scores': torch.tensor([e['score'] for e in own], dtype=torch.float64),
            'labels': torch.tensor([e['category_id'] - 1 for e in own], dtype=torch.long),
        }
        if masks:
            pred['masks'] = [
                {'size': e['segmentation']['size'], 'counts': e['segmentation']['counts'].encode()} for e in own
            ]
        out.append({'img_id': image['id'], 'ori_shape': (image['height'], image['width']), 'pred_instances': pred})
    return out


def build(data: dict, tmp_path, **config) -> CellMetric:
    path = tmp_path / 'ann.json'
    path.write_text(json.dumps(data))
    metric = METRICS.build({'type': 'CellMetric', 'ann_file': str(path), **config})
    metric.dataset_meta = {'classes': tuple(c['name'] for c in data['categories'])}
    return metric


@pytest.fixture
def case() -> tuple[dict, list[dict]]:
    return random_case(np.random.default_rng(4), most=60)


def test_same_figures_as_the_function_with_the_prefix(case, tmp_path) -> None:
    data, results = case
    metric = build(data, tmp_path, score_thr=0.3, max_dets=20, area_edges=(50.5, 90.5))
    for sample in samples(data, results):
        metric.process(None, [sample])
    assert len(metric.results) == len(data['images'])  # one entry an image, those without predictions too
    expected = evaluate_results(results, data, score_thr=0.3, max_dets=20, area_edges=(50.5, 90.5))
    np.testing.assert_equal(metric.evaluate(len(data['images'])), {f'cell/{k}': v for k, v in expected.items()})
    assert metric.results == []


def test_every_form_of_masks_gives_the_same_rles() -> None:
    bitmaps = np.stack([disc(SHAPE, 12, 14, 8), rectangle(SHAPE, 0, 0, 3, 5), np.zeros(SHAPE, np.uint8)])
    stock = [coco_mask.encode(np.asfortranarray(b)) for b in bitmaps]
    expected = [{'size': list(SHAPE), 'counts': r['counts'].decode()} for r in stock]
    box_masks = BoxMasks.from_bitmaps(bitmaps)
    forms = [
        *(stock, expected, bitmaps, bitmaps.astype(bool), torch.from_numpy(bitmaps).bool(), box_masks),
        BitmapMasks(bitmaps, *SHAPE),
    ]
    for form in forms:
        assert to_rles(form) == expected, type(form)
    for empty in ([], torch.zeros(0, *SHAPE), np.zeros((0, *SHAPE)), box_masks[:0], BitmapMasks([], *SHAPE)):
        assert to_rles(empty) == []


def test_a_detector_without_boxes_is_measured_by_its_masks(case, tmp_path) -> None:
    """SOLO and SOLOv2 give every mask the box (0, 0, 0, 0): truth as predictions is 1 here as with CocoMetric."""
    data, _ = case
    batch = samples(data, as_predictions(data))
    for sample in batch:
        sample['pred_instances']['bboxes'] = torch.zeros_like(sample['pred_instances']['bboxes'])
    metric = build(data, tmp_path, results_file=tmp_path / 'results.json')
    stock = METRICS.build({'type': 'CocoMetric', 'ann_file': str(tmp_path / 'ann.json'), 'metric': 'segm'})
    stock.dataset_meta = metric.dataset_meta
    for one in (metric, stock):
        one.process(None, batch)
    figures = metric.evaluate(len(batch))
    assert figures['cell/segm_AP50'] == figures['cell/bbox_AP50'] == figures['cell/PQ'] == 1.0
    assert stock.evaluate(len(batch))['coco/segm_mAP_50'] == 1.0
    assert [e['bbox'] for e in read_results(tmp_path / 'results.json')] == [e['bbox'] for e in as_predictions(data)]


def test_what_is_left_out_for_good_is_counted_and_said_once(tmp_path, monkeypatch) -> None:
    """A box that is a line, a point whose mask is empty, and what the views of test-time augmentation have lost."""
    cell = rectangle(SHAPE, 2, 2, 9, 9)
    data = annotations({1: SHAPE}, [(1, 1, cell)])
    said = []
    where = 'mmcellseg.components.metrics.cell_metric.print_log'
    monkeypatch.setattr(where, lambda text, logger, level=logging.INFO: said.append((text, level)))
    metric = build(data, tmp_path, results_file=str(tmp_path / 'results.json'))
    for _ in range(2):
        (sample,) = samples(data, as_predictions(data) * 3)
        pred = sample['pred_instances']
        pred['bboxes'][1] = torch.tensor([40, 5, 40, 9])
        pred['bboxes'][2] = 0
        pred['masks'][2] = coco_mask.encode(np.asfortranarray(np.zeros(SHAPE, np.uint8)))
        metric.process(None, [{**sample, 'dropped': 3}])
        assert metric.evaluate(1)['cell/segm_AP50'] == 1.0
        assert [e['bbox'] for e in read_results(metric.results_file)] == [as_predictions(data)[0]['bbox']]
    text = '5 predictions without a pixel, or with a box beyond the edge of the image, were left out'
    assert [line for line in said if line[1] == logging.WARNING] == [(text, logging.WARNING)]
    metric = build(data, tmp_path, metric='bbox')  # without masks there is nothing to take a box from
    (sample,) = samples(data, as_predictions(data), masks=False)
    sample['pred_instances']['bboxes'][:] = 0
    metric.process(None, [sample])
    assert metric.evaluate(1)['cell/bbox_AP50'] == 0.0


def test_results_file_is_whole_and_evaluates_the_same(case, tmp_path) -> None:
    data, results = case
    metric = build(data, tmp_path, results_file='test-results.json')
    metric.out_dir = tmp_path / 'run'
    metric.process(None, samples(data, results))
    figures = metric.evaluate(len(data['images']))
    assert metric.results_file == str(tmp_path / 'run' / 'test-results.json')
    written = read_results(metric.results_file)
    assert len(written) == len(results)
    key = lambda e: (e['image_id'], e['score'], e['segmentation']['counts'])  # noqa: E731
    assert sorted(map(key, written)) == sorted(map(key, results))
    np.testing.assert_equal({f'cell/{k}': v for k, v in evaluate_results(metric.results_file, data).items()}, figures)


def test_kept_views_are_written_beside_the_results_file(case, tmp_path) -> None:
    data, results = case
    metric = build(data, tmp_path, results_file=tmp_path / 'results.json')
    merged, lower = samples(data, results), samples(data, [{**e, 'score': e['score'] / 2} for e in results])
    for sample, view in zip(merged, lower, strict=True):
        sample['views'] = [sample['pred_instances'], view['pred_instances']]
        metric.process(None, [sample])
    figures = metric.evaluate(len(data['images']))
    np.testing.assert_equal(figures, {f'cell/{k}': v for k, v in evaluate_results(results, data).items()})
    assert sorted(p.name for p in tmp_path.glob('results*')) == ['results.json', *VIEWS]
    assert read_results(tmp_path / VIEWS[0]) == read_results(tmp_path / 'results.json')
    halves = [e['score'] / 2 for e in read_results(tmp_path / 'results.json')]
    assert [e['score'] for e in read_results(tmp_path / VIEWS[1])] == halves


def test_format_only_writes_and_computes_nothing(case, tmp_path, monkeypatch) -> None:
    data, results = case
    monkeypatch.chdir(tmp_path)
    assert build(data, tmp_path).results_file is None
    del data['annotations']  # as in the file of the test images
    metric = build(data, tmp_path, format_only=True)
    metric.process(None, samples(data, results))
    assert metric.evaluate(len(data['images'])) == {}
    written = read_results(tmp_path / 'test-results.json')
    assert len(written) == len(results)
    metric = CellMetric(format_only=True)  # without a file, categories are numbered from one
    metric.dataset_meta = {'classes': ('a', 'b', 'c', 'd')}
    metric.process(None, samples(data, results))
    metric.evaluate(len(data['images']))
    assert read_results('test-results.json') == written


def test_labels_follow_the_data_sets_classes(tmp_path) -> None:
    """Label 0 is the first class of the data set, whatever its category id."""
    cell = rectangle(SHAPE, 0, 0, 8, 8)
    data = annotations({1: SHAPE}, [(1, 2, cell)])
    metric = build(data, tmp_path)
    metric.dataset_meta = {'classes': ('class2', 'class1')}
    batch = samples(data, predictions([(1, 1, cell, 0.9)]))  # label 0
    metric.process(None, batch)
    assert metric.evaluate(1)['cell/segm_AP_class2'] == 1.0


def test_part_of_the_images_is_evaluated_as_such_and_said(case, tmp_path, monkeypatch) -> None:
    data, results = case
    said = []
    monkeypatch.setattr(
        'mmcellseg.components.metrics.cell_metric.print_log', lambda text, *args: said.append((text, args))
    )
    metric = build(data, tmp_path)
    some = [s for s in samples(data, results) if s['img_id'] in (3, 7)]
    metric.process(None, some)
    figures = metric.evaluate(2)
    own = [e for e in results if e['image_id'] in (3, 7)]
    np.testing.assert_equal(figures, {f'cell/{k}': v for k, v in evaluate_results(own, data, image_ids=[3, 7]).items()})
    assert said[0][0].startswith('2 of the 5 images of ')
    assert said[0][1] == ('current', logging.WARNING)


def test_refused_at_once(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"metric='mask', expected one or more of \('bbox', 'segm', 'panoptic', "):
        CellMetric(ann_file='a.json', metric='mask')
    with pytest.raises(ValueError, match='ann_file is needed to compute figures'):
        CellMetric()
    with pytest.raises(EvaluationError, match='max_dets is 0, expected a whole number above 0'):
        CellMetric(ann_file='a.json', max_dets=0)
    metric = CellMetric(ann_file=str(tmp_path / 'none.json'))
    with pytest.raises(CocoError, match=r'none\.json: there is no such annotation file'):
        metric.dataset_meta = {'classes': ('a',)}
    data = annotations({1: SHAPE}, [])
    with pytest.raises(CocoError, match=r"no category named \['cell'\]"):
        build(data, tmp_path).dataset_meta = {'classes': ('cell',)}


def test_predictions_that_lack_something_are_named(tmp_path) -> None:
    cell = rectangle(SHAPE, 0, 0, 8, 8)
    data = annotations({1: SHAPE}, [(1, 1, cell)])
    batch = samples(data, as_predictions(data), masks=False)
    with pytest.raises(EvaluationError, match="set metric='bbox'"):
        build(data, tmp_path).process(None, batch)
    message = r"image 8: its data sample has no pred_instances but \['gt_instances', 'img_id'\]; CellMetric needs"
    with pytest.raises(EvaluationError, match=message):
        build(data, tmp_path).process(None, [{'img_id': 8, 'gt_instances': {}}])
    metric = build(data, tmp_path, metric='bbox')
    metric.process(None, batch)
    assert metric.evaluate(1)['cell/bbox_AP'] == 1.0


def _rank(rank: int, port: int, data: dict, results: list[dict], folder) -> None:
    """One of two processes; rank 1 only hands over its items, so that it may be a fork."""
    torch.distributed.init_process_group(
        'gloo', f'tcp://127.0.0.1:{port}', timeout=timedelta(seconds=60), rank=rank, world_size=2
    )
    try:
        metric = build(data, folder / str(rank), results_file=str(folder / f'results{rank}.json'))
        shares = samples(data, results)
        for k in ([0, 2, 4], [1, 3, 0])[rank]:  # the sampler pads with the first image
            metric.process(None, [shares[k]])
        (folder / f'figures{rank}.json').write_text(json.dumps(metric.evaluate(5)))
    finally:
        torch.distributed.destroy_process_group()


def test_two_ranks_agree_with_one(case, tmp_path) -> None:
    data, results = case
    single = build(data, tmp_path)
    single.process(None, samples(data, results))
    expected = single.evaluate(5)
    for rank in range(2):
        (tmp_path / str(rank)).mkdir()
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    other = multiprocessing.get_context('fork').Process(target=_rank, args=(1, port, data, results, tmp_path))
    other.start()
    _rank(0, port, data, results, tmp_path)
    other.join(60)
    assert other.exitcode == 0
    for rank in range(2):
        np.testing.assert_equal(json.loads((tmp_path / f'figures{rank}.json').read_text()), expected)
    assert [(tmp_path / f'results{rank}.json').exists() for rank in range(2)] == [True, False]
    assert len(read_results(tmp_path / 'results0.json')) == len(results)
