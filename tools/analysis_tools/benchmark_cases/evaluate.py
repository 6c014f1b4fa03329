"""AP of many dense images against pycocotools, and the label-map metrics of a crowded tile.

The images are drawn: round cells on a jittered grid, two displaced predictions a cell. Classes have the real data's
proportions, and each image has a main class, so that two cells of an image are of one class with a probability of 0.63
(CoNSeP: 0.63; pycocotools' time grows with it). ``data`` is not used, so that the sizes are the stated ones.
"""

import contextlib
import copy
import io
import multiprocessing
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.evaluation import panoptic
from mmcellseg.evaluation.evaluate import evaluate_results
from mmcellseg.evaluation.ground_truth import GroundTruth

from .cells import coco_columns, discs
from .measure import measure, row

PROPORTIONS = (0.46, 0.50, 0.02, 0.02)
MAIN = 0.55  # of the cells are of the image's main class before the others are drawn


def discs_at(centres: np.ndarray, radii: np.ndarray, size: int) -> BoxMasks:
    """Discs (N,) in a square image."""
    boxes = np.zeros((len(centres), 4), np.int32)
    boxes[:, :2] = np.clip(np.floor(centres - radii[:, None]), 0, size - 1)
    boxes[:, 2:] = np.clip(np.ceil(centres + radii[:, None]) + 1, boxes[:, :2] + 1, size)
    return discs(boxes, centres, radii, size)


def draw(rng: np.random.Generator, cells: int, size: int) -> tuple[BoxMasks, BoxMasks, np.ndarray]:
    """Masks of the cells, masks of two predictions a cell, and the cells' classes 1–4."""
    side = int(np.ceil(np.sqrt(cells)))
    step = size / side
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)[:cells]
    centres = (grid + 0.5) * step + rng.uniform(-0.1, 0.1, (cells, 2)) * step
    radii = rng.uniform(0.25, 0.45, cells) * step
    moved = np.tile(centres, (2, 1)) + rng.normal(0, 0.1, (2 * cells, 2)) * step
    scaled = np.tile(radii, 2) * rng.uniform(0.8, 1.2, 2 * cells)
    main, others = rng.choice(4, p=PROPORTIONS), rng.choice(4, cells, p=PROPORTIONS)
    classes = np.where(rng.random(cells) < MAIN, main, others) + 1
    return discs_at(centres, radii, size), discs_at(moved, scaled, size), classes


def make(images: int, cells: int, size: int = 500) -> tuple[dict, list[dict]]:
    """Annotations and results list."""
    rng = np.random.default_rng(0)
    categories = [{'id': k, 'name': f'class{k}'} for k in range(1, 5)]
    data: dict = {'images': [], 'annotations': [], 'categories': categories}
    results = []
    for i in range(1, images + 1):
        data['images'].append({'id': i, 'file_name': f'{i}.tif', 'height': size, 'width': size})
        truth, predicted, classes = draw(rng, cells, size)
        for box, rle, area, k in zip(*coco_columns(truth), truth.areas.tolist(), classes.tolist()):
            ann = {'id': len(data['annotations']) + 1, 'image_id': i, 'category_id': k, 'iscrowd': 0}
            data['annotations'].append({**ann, 'segmentation': rle, 'bbox': box, 'area': area})
        scores = rng.random(len(predicted)).tolist()
        for box, rle, score, k in zip(*coco_columns(predicted), scores, np.tile(classes, 2).tolist()):
            entry = {'image_id': i, 'category_id': k, 'score': score, 'bbox': box}
            results.append({**entry, 'segmentation': rle})
    return data, results


def stock_ap(data: dict, results: list[dict], cap: int, edges: tuple[float, float]) -> float:
    """AP of masks by pycocotools at the same cap and bins."""
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = data
        gt.createIndex()
        evaluator = COCOeval(gt, gt.loadRes(results), 'segm')
        low, high = edges
        evaluator.params.maxDets = [cap]
        evaluator.params.areaRng = [[0, 1e10], [0, low], [low, high], [high, 1e10]]
        evaluator.params.areaRngLbl = ['all', 'small', 'medium', 'large']
        evaluator.evaluate()
        evaluator.accumulate()
    table = evaluator.eval['precision'][:, :, :, 0]
    return float(table[table > -1].mean())


def run(data: Path | None, quick: bool) -> list[dict]:
    images, cells, crowd, cap = (5, 50, 200, 2000) if quick else (100, 200, 2000, 2000)
    truth, results = make(images, cells)
    edges = GroundTruth(truth).area_edges([i['id'] for i in truth['images']])
    found = [multiprocessing.Value('d') for _ in range(2)]  # the measured processes give back their figures here

    def ours(state: object) -> None:
        found[0].value = evaluate_results(results, truth, metrics=['segm'], max_dets=cap)['segm_AP']

    def stock(state: list) -> None:
        found[1].value = stock_ap(*state, cap, edges)

    fast = measure(lambda: None, ours)
    # pycocotools writes into the entries, and takes a box's area for the mask's where there is a box.
    bare = [{k: v for k, v in e.items() if k != 'bbox'} for e in results]
    slow = measure(lambda: [copy.deepcopy(truth), copy.deepcopy(bare)], stock, repeats=1)
    if not abs(found[0].value - found[1].value) <= 1e-9:
        raise AssertionError(f'AP is {found[0].value}, and {found[1].value} by pycocotools')
    name = f'AP of masks, {images} images × {cells} cells × {2 * cells} predictions, 10 IoU thresholds, cap {cap}'
    ap = {**row(name, fast, slow), 'ours AP': found[0].value, 'stock AP': found[1].value}

    true_masks, predicted, _ = draw(np.random.default_rng(1), crowd, 1000)
    true_rles, pred_rles = (coco_columns(masks)[1] for masks in (true_masks, predicted))
    scores = np.random.default_rng(2).random(len(predicted))

    def tile(state: object) -> None:
        gt_masks, masks = (BoxMasks.from_rles(rles, 1000, 1000) for rles in (true_rles, pred_rles))
        maps = panoptic.label_map(gt_masks), panoptic.label_map(masks, panoptic.score_order(scores, 0.5))
        pairs = panoptic.overlap(*maps, len(gt_masks), len(masks))
        panoptic.pq_counts(pairs)
        panoptic.aji(pairs)

    name = f'PQ and AJI of a 1000×1000 tile, {crowd} cells, {len(predicted)} predictions, from RLE'
    return [ap, row(name, measure(lambda: None, tile))]
