"""Crops of one tile share a group under colour jitter; groups stay small; the order of images is the only tie."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from mmcellseg.data.folds import split_folds
from mmcellseg.data.same_tissue import fingerprint, tissue_links
from mmcellseg.data.stain_groups import (
    complete_linkage,
    connected,
    group_stains,
    jitter,
    part_stains,
    stain_distances,
    stain_groups,
)
from mmcellseg.data.tiff import read_image
from mmcellseg.synthetic.data_set import make_synthetic

TOOL = Path(__file__).resolve().parents[2] / 'tools/dataset_converters/split_folds.py'
# (top, left, height, width) as parts of the tile's side; each crop touches or overlaps another one
CROPS = {
    'quarters': [(0, 0, 0.5, 0.5), (0, 0.5, 0.5, 0.5), (0.5, 0, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)],
    'overlapping': [(0, 0, 0.5, 0.5), (0.3, 0.25, 0.4, 0.4), (0.1, 0.45, 0.5, 0.4)],
    # first and last are disjoint and not adjacent; the one between touches both
    'bridged': [(0, 0, 0.4, 0.35), (0, 0.35, 0.4, 0.3), (0, 0.65, 0.4, 0.35)],
}


def jittered_crops(tile, crops, rng):
    side = min(tile.shape[:2])
    windows = [[round(part * side) for part in crop] for crop in crops]
    return [
        np.rint(jitter(tile[top : top + height, left : left + width], rng, 0.1) * 255).astype(np.uint8)
        for top, left, height, width in windows
    ]


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
    return connected(len(images), list(tissue_links([fingerprint(image) for image in images])))


@pytest.mark.parametrize('crops', CROPS.values(), ids=CROPS)
def test_crops_of_a_drawn_tile_share_a_group(drawn, crops):
    rng = np.random.default_rng(0)
    images = [crop for tile in drawn for crop in jittered_crops(tile, crops, rng)]
    tissue = tissue_of(images)
    found = group_stains(np.array([part_stains(image, rng) for image in images]), tissue)
    assert all(len(groups) == 1 for groups in by_tile(found.labels, len(drawn)))
    assert tissue.max() + 1 >= len(drawn) - 2  # hardly a pair of strangers was taken for neighbours
    assert found.labels.max() + 1 >= 4


@pytest.mark.parametrize('name', CROPS)
def test_crops_of_a_real_tile_share_a_group(real, name):
    crops = CROPS[name]
    rng = np.random.default_rng(1)
    images = [crop for tile in real for crop in jittered_crops(tile, crops, rng)]
    tissue = tissue_of(images)
    # stain only ever joins groups, so tissue alone must keep each tile whole
    parted = [tile for tile, groups in enumerate(by_tile(tissue, len(real))) if len(groups) > 1]
    if name == 'bridged':  # one tile is cut where it is all but blank, and a blank edge tells nothing
        assert len(parted) <= 1
    else:
        assert parted == []
    assert len(real) - 2 <= tissue.max() + 1 <= len(real) + 2 * len(parted)


def recoloured(tile, strength):
    """The tile with the optical density of each channel multiplied: another stain."""
    return (255 * np.exp(np.log((tile + 1.0) / 256) * strength)).astype(np.uint8)


def test_distant_crops_share_a_group_where_stains_differ(drawn):
    # 200 px in opposite corners, 80 px apart: nothing but the stain is common to them.
    strengths = [(1, 1, 1), (0.4, 1, 1), (1, 0.4, 1), (1, 1, 2), (2, 1, 1), (0.4, 0.4, 1.5)]
    rng = np.random.default_rng(2)
    crops = [(0, 0, 200 / 480, 200 / 480), (280 / 480, 280 / 480, 200 / 480, 200 / 480)]
    tiles = [recoloured(drawn[0 if i else 1], strength) for i, strength in enumerate(strengths)]
    images = [crop for tile in tiles for crop in jittered_crops(tile, crops, rng)]
    found = group_stains(np.array([part_stains(image, rng) for image in images]), np.arange(len(images)))
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_folds_of_real_crops_never_part_a_tile(real, tmp_path):
    rng = np.random.default_rng(3)
    crops = [crop for tile in real[:10] for crop in jittered_crops(tile[:600, :600], CROPS['quarters'], rng)]
    order = rng.permutation(len(crops))
    paths = [tmp_path / f'{place}.png' for place in range(len(crops))]
    for path, index in zip(paths, order):
        cv2.imwrite(str(path), crops[index][..., ::-1])
    groups = stain_groups(paths)
    assert len(set(groups)) >= 5
    images = [{'id': i, 'file_name': path.name, 'height': 300, 'width': 300} for i, path in enumerate(paths)]
    cells = [{'image_id': i, 'category_id': 1} for i in range(len(paths))]
    coco = {'images': images, 'annotations': cells, 'categories': [{'id': 1, 'name': 'class1'}]}
    fold_of = split_folds(coco, groups, 5)
    for tile in range(10):
        assert len({fold_of[i] for i in range(len(paths)) if order[i] // 4 == tile}) == 1
    assert set(fold_of.values()) == set(range(5))


def test_tool_groups_and_says_which(drawn, tmp_path):
    crops = [crop for tile in drawn for crop in (tile[:240], tile[200:])]
    images = []
    for i, crop in enumerate(crops):
        cv2.imwrite(str(tmp_path / f'{i}.png'), crop[..., ::-1])
        images.append({'id': i + 1, 'file_name': f'{i}.png', 'height': crop.shape[0], 'width': crop.shape[1]})
    cells = [{'id': i, 'image_id': i, 'category_id': 1} for i in range(1, len(crops) + 1)]
    coco = {'images': images, 'annotations': cells, 'categories': [{'id': 1, 'name': 'class1'}]}
    ann = tmp_path / 'annotations' / 'train.json'
    ann.parent.mkdir()
    ann.write_text(json.dumps(coco))
    command = [sys.executable, TOOL, ann, ann.parent, '--folds', '2', '--groups', 'auto']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    record = json.loads((ann.parent / 'folds.json').read_text())['images']
    for first, second in zip(record[::2], record[1::2]):
        assert (first['group'], first['fold']) == (second['group'], second['fold'])
        line = next(line for line in done.stdout.splitlines() if line.strip().startswith(first['group'] + ':'))
        assert first['file_name'] in line
        assert second['file_name'] in line
    assert 'Overlap and common edges make' in done.stderr


def test_same_images_same_groups(drawn, tmp_path):
    paths = [tmp_path / f'{i}.png' for i in range(4)]
    for path, tile in zip(paths, drawn):
        cv2.imwrite(str(path), tile[:200, :200, ::-1])
    assert stain_groups(paths) == stain_groups(paths)
    assert stain_groups([]) == []
    assert len(stain_groups(paths[:1])) == 1


def test_values_that_want_a_rule_are_grouped_all_the_same(drawn, tmp_path):
    tifffile.imwrite(tmp_path / 'a.tif', drawn[0].astype(np.float32) * 10, photometric='rgb')
    assert len(stain_groups([tmp_path / 'a.tif'])) == 1
    tifffile.imwrite(tmp_path / 'b.tif', np.full((9, 9, 3), np.nan, np.float32), photometric='rgb')
    with pytest.raises(ValueError, match=r'b.tif .*with NaN'):
        stain_groups([tmp_path / 'b.tif'])


def test_connected_by_hand():
    assert connected(6, [(1, 4), (4, 2), (3, 5)]).tolist() == [0, 1, 1, 2, 1, 2]
    assert connected(3, []).tolist() == [0, 1, 2]


def test_complete_linkage_by_hand():
    # On a line at 0, 1, 2.5, 10: 0 and 1 join; 2.5 lies 1.5 from 1, yet 2.5 from 0.
    at = np.array([0, 1, 2.5, 10])
    distance = np.abs(at[:, None] - at)
    assert complete_linkage(distance, np.arange(4), 2.0).tolist() == [0, 0, 1, 2]
    assert complete_linkage(distance, np.arange(4), 2.5).tolist() == [0, 0, 0, 1]
    # what is joined already stays joined, and counts with its farthest image
    assert complete_linkage(distance, np.array([0, 1, 1, 2]), 2.0).tolist() == [0, 1, 1, 2]
    assert complete_linkage(distance, np.array([0, 0, 1, 0]), 0.0).tolist() == [0, 0, 1, 0]


def test_stain_distances_equal_the_slow_sum(rng):
    stains = rng.standard_normal((3, 4, 5)) + 3 * rng.standard_normal((3, 1, 5))
    inside = (stains - stains.mean(1, keepdims=True)).reshape(-1, 5)
    covariance = inside.T @ inside / 9
    covariance = 0.9 * covariance + 0.1 * np.diag(np.diag(covariance))
    inverse = np.linalg.inv(covariance)

    def slow(p, q):
        return np.sqrt((p - q) @ inverse @ (p - q))

    within, between = stain_distances(stains)
    for i in range(3):
        pairs = [slow(stains[i, a], stains[i, b]) for a in range(4) for b in range(4) if a != b]
        assert within[i] == pytest.approx(np.mean(pairs), rel=1e-4)
    expected = np.mean([slow(p, q) for p in stains[0] for q in stains[2]])
    assert between[0, 2] == between[2, 0] == pytest.approx(expected, rel=1e-4)


def test_groups_stay_small_where_stain_tells_nothing(rng):
    found = group_stains(rng.standard_normal((40, 12, 6)), np.arange(40))
    assert np.bincount(found.labels).max() <= 8
    assert found.lowered


def test_jitter_is_bounded_and_seeded():
    image = np.full((4, 4, 3), 100, np.uint8)
    a, b = (jitter(image, np.random.default_rng(0), 0.1) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a / (100 / 255) - 1).max() <= 0.1 + 1e-6
    np.testing.assert_allclose(jitter(image, np.random.default_rng(0), 0.0), 100 / 255, rtol=1e-6)
