"""The drawn data set: the layout and its oddities, the proportions, the sizes, and that cells can be told apart."""

import hashlib
import json

import cv2
import numpy as np
import pytest
import tifffile

from mmcellseg.data.tiff import read_image, read_label_map
from mmcellseg.synthetic.data_set import MEDIAN_AREAS, make_synthetic
from mmcellseg.synthetic.tissue import Tissue

CLASSES = 4


@pytest.fixture(scope='module')
def dense_set(tmp_path_factory):
    root = tmp_path_factory.mktemp('dense')
    return make_synthetic(root, num_train=8, num_test=2, cell_scale=0.8, seed=3)


@pytest.fixture(scope='module')
def training(dense_set) -> dict[str, tuple[np.ndarray, dict[int, np.ndarray]]]:
    """The image and the label map of each class of the training folders."""
    found = {}
    for name in dense_set.train_cells:
        folder = dense_set.root / 'train' / name
        paths = {label: folder / f'class{label + 1}.tif' for label in range(CLASSES)}
        maps = {label: read_label_map(path) for label, path in paths.items() if path.exists()}
        found[name] = read_image(folder / 'image.tif').astype(float), maps
    return found


def digests(root) -> dict[str, str]:
    files = sorted(p for p in root.rglob('*') if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_same_seed_same_bytes(tmp_path):
    options = {'num_train': 3, 'num_test': 1, 'size_range': (48, 80), 'cell_scale': 0.5, 'dense': False}
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        make_synthetic(tmp_path / name, seed=seed, **options)
    assert digests(tmp_path / 'a') == digests(tmp_path / 'b')
    assert not set(digests(tmp_path / 'a').values()) & set(digests(tmp_path / 'c').values())


def test_layout(dense_set):
    root = dense_set.root
    folders = sorted(p.name for p in (root / 'train').iterdir())
    assert folders == sorted(dense_set.train_cells)
    sizes, compressions = set(), set()
    for name in folders:
        with tifffile.TiffFile(root / 'train' / name / 'image.tif') as file:
            page = file.pages[0]
            assert (page.dtype, page.shape[2], int(page.compression), int(page.predictor)) == (np.uint8, 4, 5, 2)
            assert (page.asarray()[..., 3] == 255).all()
            sizes.add(page.shape[:2])
        for path in (root / 'train' / name).glob('class*.tif'):
            with tifffile.TiffFile(path) as file:
                assert (file.pages[0].dtype, file.pages[0].shape) == (np.float64, page.shape[:2])
                compressions.add(int(file.pages[0].compression))
    assert (len(folders), len(sizes)) == (8, 8)
    assert compressions == {1, 5}  # none, and LZW
    entries = json.loads((root / 'test_image_name_to_ids.json').read_text())
    assert [e['id'] for e in entries] == [1, 2]
    for entry in entries:
        assert read_image(root / 'test_release' / entry['file_name']).shape == (entry['height'], entry['width'], 3)


def test_cells(dense_set, training):
    """Ids have gaps, cells are in one piece, do not overlap and touch; the areas and classes are those asked for."""
    areas: dict[int, list[int]] = {label: [] for label in range(CLASSES)}
    touching = 0
    for name, (_, maps) in training.items():
        assert sum(len(np.unique(m)) - 1 for m in maps.values()) == dense_set.train_cells[name]
        assert max(sum((m > 0).astype(int) for m in maps.values()).ravel()) == 1
        for label, label_map in maps.items():
            ids = np.unique(label_map)[1:]
            assert cv2.connectedComponents((label_map == ids[0]).astype(np.uint8), connectivity=4)[0] == 2
            areas[label] += np.bincount(label_map.ravel())[ids].tolist()
            assert len(ids) <= 5 or ids[-1] > len(ids)  # gaps
        whole = sum(m + 10000 * label * (m > 0) for label, m in maps.items())
        left, right = whole[:, :-1], whole[:, 1:]
        touching += len(np.unique(left[(left > 0) & (right > 0) & (left != right)]))
    counts = np.array(dense_set.class_counts)
    assert [len(areas[label]) for label in range(CLASSES)] == counts.tolist()
    assert counts / counts.sum() == pytest.approx([0.46, 0.50, 0.02, 0.02], abs=0.002)
    assert touching > 0.2 * counts.sum()
    for label in (0, 1):  # hundreds of cells
        assert np.median(areas[label]) == pytest.approx(MEDIAN_AREAS[label] * 0.8**2, rel=0.15)
    assert np.median(areas[3]) > 2 * np.median(areas[2])
    cells = list(dense_set.train_cells.items())
    assert (cells[-1][1] > 700, dense_set.left_out) == (True, 0)
    assert list(training[cells[0][0]][1]) == [1]  # the classes that the first image lacks have no file


def test_stains_vary_and_nuclei_are_darker(training):
    means = []
    for image, maps in training.values():
        ground = image[sum(m > 0 for m in maps.values()) == 0]
        means.append(ground.mean(0))
        assert ground.mean(0)[1] < ground.mean(0)[[0, 2]].min()  # pink to violet: least green
        assert image[maps[1] > 0].mean() < ground.mean() - 40
        assert image[maps[1] > 0].std() > 8  # chromatin, no disc of one colour
        if len(np.unique(maps.get(0, np.zeros(1)))) > 5:
            assert image[maps[0] > 0].mean() > image[maps[1] > 0].mean() + 10  # vesicular against dense
    assert np.std(means, axis=0).min() > 3


def test_small_and_crowded_images_give_up_in_the_end(rng):
    tissue = Tissue(rng, 33, 35)
    placed = sum(tissue.place(1, 278.0) for _ in range(20))
    assert 0 < placed < 8
    assert placed == len(tissue.labels) == tissue.instances.max()
    assert tissue.stain().shape == (33, 35, 3)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'num_train': 0}, 'num_train ≥ 1.*num_train=0'),
        ({'size_range': (200, 100)}, r'size_range=\(200, 100\)'),
        ({'cell_scale': 0}, 'cell_scale=0'),
    ],
)
def test_refusals(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        make_synthetic(tmp_path, **options)
    assert not any(tmp_path.iterdir())
    (tmp_path / 'train').mkdir()
    with pytest.raises(FileExistsError, match='train exists already'):
        make_synthetic(tmp_path)
