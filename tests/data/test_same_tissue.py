"""Crops of one scan are told from strangers by their corners and edges, under any jitter of colours."""

import json

import cv2
import numpy as np
import pytest
import tifffile
from drawn_cells import coco_of

from mmcellseg.data.same_tissue import Edge, edge_evidence, fingerprint, tissue_groups, tissue_labels, tissue_links
from mmcellseg.data.tiff import read_image
from mmcellseg.synthetic.data_set import make_synthetic

# (top, left, height, width) as parts of the tile's side; each crop touches or overlaps another one
CROPS = {
    'quarters': [(0, 0, 0.5, 0.5), (0, 0.5, 0.5, 0.5), (0.5, 0, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)],
    'overlapping': [(0, 0, 0.5, 0.5), (0.3, 0.25, 0.4, 0.4), (0.1, 0.45, 0.5, 0.4)],
    # first and last are disjoint and not adjacent; the one between touches both
    'bridged': [(0, 0, 0.4, 0.35), (0, 0.35, 0.4, 0.3), (0, 0.65, 0.4, 0.35)],
}
GREY = np.array([0.299, 0.587, 0.114])


def jitter(pixels, rng):
    """Brightness, contrast and saturation, each times 1 ± 10 %."""
    bright, contrast, saturation = 1 + rng.uniform(-0.1, 0.1, 3)
    x = pixels / 255 * bright
    x = (x - x.mean()) * contrast + x.mean()
    grey = (x @ GREY)[..., None]
    return np.rint(((x - grey) * saturation + grey).clip(0, 1) * 255).astype(np.uint8)


def jittered_crops(tile, crops, rng):
    side = min(tile.shape[:2])
    windows = [[round(part * side) for part in crop] for crop in crops]
    return [jitter(tile[top : top + height, left : left + width], rng) for top, left, height, width in windows]


def by_tile(labels, tiles):
    return [set(part) for part in np.array_split(np.asarray(labels), tiles)]


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    """Eight drawn tiles of 480 px."""
    root = tmp_path_factory.mktemp('drawn')
    make_synthetic(root, num_train=8, num_test=0, size_range=(480, 480), fill=(0.3, 0.3), dense=False)
    return [read_image(path) for path in sorted(root.glob('train/*/image.tif'))]


@pytest.fixture(scope='module')
def real(consep_dir):
    return [read_image(path) for path in sorted(consep_dir.glob('images/train_*.jpg'))]


def tissue_of(images):
    return tissue_labels([fingerprint(image) for image in images])


def scan(seed, size=320):
    """Smooth noise at two scales, RGB uint8."""
    rng = np.random.default_rng(seed)
    x = sum(cv2.GaussianBlur(rng.standard_normal((size, size, 3)), (0, 0), s) * s for s in (2.0, 6.0))
    return (128 + 60 * x / x.std()).clip(0, 255).astype(np.uint8)


def test_neighbours_on_all_sides_are_linked_and_strangers_and_the_diagonal_are_not():
    tile = scan(2)
    quarters = [tile[:160, :160], tile[:160, 160:], tile[160:, :160], tile[160:, 160:]]
    prints = [fingerprint((q * gain).astype(np.uint8)) for q, gain in zip(quarters, (1.0, 0.9, 0.8, 0.95))]
    assert set(tissue_links(prints)) == {(0, 1), (0, 2), (1, 3), (2, 3)}
    assert set(tissue_links(prints[::-1])) == {(2, 3), (1, 3), (0, 2), (0, 1)}  # in any order of the images
    assert list(tissue_links([fingerprint(scan(seed, 200)) for seed in range(8)])) == []


def slow_evidence(first, second):
    x, y = first.values.astype(float), second.values.astype(float)
    shorter, best = min(len(x), len(y)), 0.0
    for shift in range(-len(y) + 1, len(x)):
        pairs = [(x[i + shift], y[i]) for i in range(len(y)) if 0 <= i + shift < len(x)]
        if len(pairs) < max(96, shorter // 2):
            continue
        a, b = np.array(pairs).T
        r = (a @ b) / np.sqrt((a @ a) * (b @ b))
        if r >= 0.85:
            n = (a @ a) * (b @ b) / (a * a @ (b * b)) / np.sqrt(first.period * second.period)
            best = max(best, np.arctanh(min(r, 0.999)) * np.sqrt(n) * (1.0 if len(a) >= 0.95 * shorter else 0.7))
    return best


def test_edge_evidence_equals_the_slow_sum(rng):
    line = 20 * rng.standard_normal(260)
    first = Edge(line[:180].astype(np.float32), 2.0)
    others = [
        Edge((line[a:b] + 4 * rng.standard_normal(b - a)).astype(np.float32), period)
        for a, b, period in ((0, 180, 1.0), (20, 220, 3.0), (60, 260, 2.0), (30, 150, 2.0), (0, 90, 1.0))
    ]
    others.append(Edge((20 * rng.standard_normal(200)).astype(np.float32), 1.0))
    expected = [slow_evidence(first, other) for other in others]
    np.testing.assert_allclose(edge_evidence(first, others), expected, rtol=1e-4)
    assert expected[0] > expected[2] > 0
    assert expected[-2:] == [0, 0]  # 90 px are too short; a stranger


def test_blank_and_tiny_images_are_no_trouble():
    blank = fingerprint(np.full((200, 200, 3), 240, np.uint8))
    assert list(tissue_links([blank, blank])) == []
    for height, width in ((1, 1), (2, 300), (300, 2), (15, 15), (33, 35)):
        tiny = fingerprint(scan(5)[:height, :width])
        assert list(tissue_links([tiny, fingerprint(scan(6)), tiny])) in ([], [(0, 2)])


@pytest.mark.parametrize('crops', CROPS.values(), ids=CROPS)
def test_crops_of_a_drawn_tile_share_a_group(drawn, crops):
    rng = np.random.default_rng(0)
    tissue = tissue_of([crop for tile in drawn for crop in jittered_crops(tile, crops, rng)])
    assert all(len(groups) == 1 for groups in by_tile(tissue, len(drawn)))
    assert tissue.max() + 1 >= len(drawn) - 2  # hardly a pair of strangers was taken for neighbours


@pytest.mark.parametrize('name', CROPS)
def test_crops_of_a_real_tile_share_a_group(real, name):
    rng = np.random.default_rng(1)
    tissue = tissue_of([crop for tile in real for crop in jittered_crops(tile, CROPS[name], rng)])
    parted = [tile for tile, groups in enumerate(by_tile(tissue, len(real))) if len(groups) > 1]
    if name == 'bridged':  # one tile is cut where it is all but blank, and a blank edge tells nothing
        assert len(parted) <= 1
    else:
        assert parted == []
    assert len(real) - 2 <= tissue.max() + 1 <= len(real) + 2 * len(parted)


def test_tool_groups_and_says_which(drawn, tmp_path, call_tool):
    crops = [crop for tile in drawn for crop in (tile[:240], tile[200:])]
    coco = coco_of([[1]] * len(crops))
    for image, crop in zip(coco['images'], crops):
        cv2.imwrite(str(tmp_path / image['file_name']), crop[..., ::-1])
    ann = tmp_path / 'annotations' / 'train.json'
    ann.parent.mkdir()
    ann.write_text(json.dumps(coco))
    out = call_tool('dataset_converters/split_folds.py', ann, ann.parent, '--folds', 2, '--groups', 'auto').out
    fold_of = json.loads((ann.parent / 'folds.json').read_text())
    names = [image['file_name'] for image in coco['images']]
    for first, second in zip(names[::2], names[1::2]):
        assert fold_of[first] == fold_of[second]
        assert any(f' {first}, {second}' in line for line in out.splitlines())
    assert 'crops that lie apart on a slide are not recognised' in out.lower()


def test_values_that_want_a_rule_are_grouped_all_the_same(drawn, tmp_path):
    tifffile.imwrite(tmp_path / 'a.tif', drawn[0].astype(np.float32) * 10, photometric='rgb')
    assert len(tissue_groups([tmp_path / 'a.tif'])) == 1
    tifffile.imwrite(tmp_path / 'b.tif', np.full((9, 9, 3), np.nan, np.float32), photometric='rgb')
    with pytest.raises(ValueError, match=r'b.tif .*with NaN'):
        tissue_groups([tmp_path / 'b.tif'])
