"""Anchor recall against MMDetection's own anchors, by hand, and on CoNSeP."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.image import rescale_size
from mmdet.models.task_modules.prior_generators import AnchorGenerator
from mmdet.structures.bbox import bbox_overlaps
from scipy.ndimage import find_objects

from mmcellseg.evaluation.anchor_recall import (
    best_ious,
    best_named,
    boxes_as_seen,
    make_anchors,
    ratio_quantiles,
    recall_by_side,
    resized,
    suggest,
)

STRIDES = [4, 8, 16, 32, 64]
RATIOS = [0.5, 1.0, 2.0]


def random_boxes(rng: np.random.Generator, count: int, width: int, height: int) -> np.ndarray:
    extents = np.exp(rng.uniform(np.log(3), np.log(90), (count, 2)))
    low = rng.uniform(0, 1, (count, 2)) * ([width, height] - np.minimum(extents, [width, height]))
    return np.concatenate([low, np.minimum(low + extents, [width, height])], axis=1)


@pytest.mark.parametrize('scales', [[2], [8], [2, 2.83]])
@pytest.mark.parametrize('size', [(160, 96), (64, 224)])
def test_best_ious_equal_the_best_of_all_anchors(rng: np.random.Generator, scales: list[float], size: tuple[int, int]):
    generator = AnchorGenerator(strides=STRIDES, ratios=RATIOS, scales=scales)
    maps = [(-(-size[1] // s), -(-size[0] // s)) for s in STRIDES]
    priors = torch.cat(generator.grid_priors(maps, device='cpu')).double()
    boxes = random_boxes(rng, 200, *size)
    slow = bbox_overlaps(torch.from_numpy(boxes), priors).amax(1).numpy()
    fast = best_ious(boxes, np.full((200, 2), size), make_anchors(scales, RATIOS, STRIDES))
    np.testing.assert_allclose(fast, slow, atol=1e-6)


def test_by_hand():
    # A box of 8 px around the point (16, 16) is the anchor itself; 16 x 8 px around it holds it: 64 / 128; one whose
    # centre is 2 px off in x, half a stride, has 6 of 8 columns in common: 48 / (64 + 64 - 48).
    boxes = np.array([[12, 12, 20, 20], [8, 12, 24, 20], [14, 12, 22, 20]], float)
    ious = best_ious(boxes, np.full((3, 2), 64), make_anchors([2], [1.0], [4]))
    np.testing.assert_allclose(ious, [1, 0.5, 0.6])
    rows = recall_by_side(boxes, ious)
    assert rows[0][:2] == ('0-8', 0)
    assert rows[1] == ('8-16', 3, [1.0, pytest.approx(1 / 3)], pytest.approx(0.7))
    assert rows[-1][:2] == ('all', 3)


@pytest.mark.parametrize('size', [(1000, 1000), (337, 501), (640, 99)])
def test_sizes_are_those_of_mmcv(size: tuple[int, int]):
    for scale in ((1333, 800), (200, 600)):
        assert resized(size, [{'type': 'Resize', 'scale': scale, 'keep_ratio': True}]) == rescale_size(size, scale)
        assert resized(size, [{'type': 'Resize', 'scale': list(scale)}]) == scale
    assert resized(size, [{'type': 'Resize', 'scale_factor': 1.5}]) == rescale_size(size, 1.5)
    assert resized(size, [{'type': 'LoadTiffImage'}]) == size


def test_boxes_as_the_network_sees_them_and_their_ratios():
    boxes = [{'image_id': 1, 'bbox': [4, 6, 10, 5]}, {'image_id': 1, 'bbox': [0, 0, 0, 5]}]
    coco = {'images': [{'id': 1, 'width': 30, 'height': 20}], 'annotations': [*boxes, {**boxes[0], 'iscrowd': 1}]}
    seen, sizes = boxes_as_seen(coco, [{'type': 'Resize', 'scale_factor': 2.0}], 32)
    assert (seen.tolist(), sizes.tolist()) == ([[8, 12, 28, 22]], [[64, 64]])
    assert make_anchors([2], [2.0], [4]).shapes == pytest.approx(np.array([[8 / 2**0.5, 8 * 2**0.5]]))
    assert ratio_quantiles(np.array([[0, 0, 10, 20]] * 3)) == [2.0, 2.0, 2.0]  # height by width


def test_suggestion_finds_the_size_of_the_cells(rng: np.random.Generator):
    low = rng.uniform(0, 90, (300, 2))
    boxes = np.concatenate([low, low + 11.3], axis=1)
    one, two = suggest(boxes, np.full((300, 2), 128), [4], [[1.0]])
    assert one.scales == [2.83]
    assert 2.83 in two.scales
    assert two.mean_iou >= one.mean_iou


def test_the_ready_made_set_that_fits_best():
    # Boxes of 16 px around points of the map of stride 4: an anchor of 16 px is the box, one of 8 px a quarter of it.
    boxes, sizes = np.array([[8, 8, 24, 24], [16, 12, 32, 28]], float), np.full((2, 2), 64)
    scales = {'small': ([2], 4), 'right': ([4], 4), 'same': ([4, 4], 4), 'of other strides': ([2], 8)}
    sets = {name: {'scales': s, 'ratios': [1.0], 'strides': [stride]} for name, (s, stride) in scales.items()}
    name, found = best_named(boxes, sizes, [4], sets)
    assert (name, found.scales, found.recall, found.mean_iou) == ('right', [4], [1.0, 1.0], 1.0)
    name, found = best_named(boxes, sizes, [4], {name: sets[name] for name in ('small', 'of other strides')})
    assert (name, found.recall, found.mean_iou) == ('small', [0.0, 0.0], 0.25)
    assert best_named(boxes, sizes, [16], sets) is None


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A data set of one image with cells of 20 px at own size, in a config that doubles it."""
    coco = {
        'images': [{'id': 1, 'width': 100, 'height': 50}],
        'annotations': [
            {'id': i, 'image_id': 1, 'category_id': 1, 'area': 400, 'bbox': [10 * i, 10, 20, 20]} for i in range(5)
        ],
        'categories': [{'id': 1, 'name': 'cell'}],
    }
    (tmp_path / 'ann.json').write_text(json.dumps(coco))
    text = f"""
generator = dict(type='AnchorGenerator', scales=[8], ratios=[1.0], strides=[4, 8])
model = dict(rpn_head=dict(anchor_generator=generator), data_preprocessor=dict(pad_size_divisor=32))
train_dataloader = dict(dataset=dict(dataset=dict(data_root='{tmp_path}', ann_file='ann.json')))
test_dataloader = dict(dataset=dict(pipeline=[dict(type='Resize', scale_factor=2.0)]))
"""
    path = tmp_path / 'config.py'
    path.write_text(text)
    return path


TOOL = 'analysis_tools/anchor_recall.py'


def test_tool_measures_after_the_resize_and_names_the_ready_made_set(config: Path, call_tool):
    out = call_tool(TOOL, config).out
    assert 'anchors of 32 to 64 px' in out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert rows['32-64'][0] == '5'  # 40 px as the network sees them
    assert 'scales=' in out
    assert 'ready-made' not in out  # these are of five levels
    leaf = config.read_text().replace('ratios=[1.0], strides=[4, 8]', f'ratios={RATIOS}, strides={STRIDES}')
    for scale, used in ((8, ' (the one in use)'), (2, '')):
        config.write_text(leaf.replace('scales=[8]', f'scales=[{scale}]'))
        expected = f'best ready-made set{used}:\n  anchor_generator=_base_.anchors.a32_512: recall 1.000@0.5'
        assert expected in call_tool(TOOL, config).out


def test_tool_names_what_is_no_config_or_annotation_file(config: Path, call_tool):
    folder = config.parent
    (folder / 'results.json').write_text('[]')
    (folder / 'ensemble.py').write_text('members = []')
    for args, message in (
        ((config, '--ann', folder / 'none.json'), 'none.json: there is no such annotation file (give another'),
        ((config, '--ann', folder / 'results.json'), 'results.json: expected a COCO annotation file'),
        ((folder / 'none.py',), 'none.py: there is no such config'),
        ((folder / 'ensemble.py',), 'ensemble.py: expected the config of a model with an rpn_head'),
    ):
        assert message in call_tool(TOOL, *args, code=1).err


def test_small_anchors_cover_consep_better(consep_dir: Path):
    """On all real tiles at their own size, 8–128 px against 32–512 px, as configs/README.md has it."""
    labels = [np.load(path)['inst'] for path in sorted((consep_dir / 'labels').glob('*.npz'))]
    places = [place for inst in labels for place in find_objects(inst) if place]
    cells = np.array([(x.start, y.start, x.stop, y.stop) for y, x in places], float)
    sizes = np.full((len(cells), 2), 1024)
    small, large = (best_ious(cells, sizes, make_anchors([scale], RATIOS, STRIDES)) for scale in (2, 8))
    assert len(cells) == 15555
    assert [(ious >= 0.5).mean() for ious in (small, large)] == pytest.approx([0.790, 0.269], abs=5e-4)
    assert [(ious >= 0.7).mean() for ious in (small, large)] == pytest.approx([0.120, 0.128], abs=5e-4)
    # Anchors of twice their stride seldom reach an IoU of 0.7; cells under 16 px get there with no others.
    tiny = (cells[:, 2:] - cells[:, :2]).prod(1) < 16**2
    assert (small[tiny] >= 0.7).mean() > 0.1
    assert (large[tiny] >= 0.7).sum() == 0
    assert (small[~tiny] >= 0.7).mean() < (large[~tiny] >= 0.7).mean()
