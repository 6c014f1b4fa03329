"""Every format, opened again by other software; whole or absent; in any number of batches the same bytes."""

import csv
import gzip
import io
import json
import zipfile
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import roifile
import shapely
import tifffile
from random_masks import CLASSES, random_cells
from shapely.geometry import shape

from mmcellseg.export import label_tiff
from mmcellseg.export.cells import Cells
from mmcellseg.export.formats import FORMATS
from mmcellseg.export.geojson import _points
from mmcellseg.structures.masks import InstanceMasks
from mmcellseg.structures.results import read_results

SIZE = (23, 37)


def write(name, folder, cells, batches=1, mpp=0.25, size=SIZE):
    path = folder / f'a{FORMATS[name].suffix}'
    with FORMATS[name](path, *size, CLASSES, mpp=mpp) as writer:
        for part in np.array_split(np.arange(len(cells)), batches):
            writer.write(cells[part])
    return path


def centres(size=SIZE):
    ys, xs = np.mgrid[: size[0], : size[1]] + 0.5
    return xs, ys


def drawn(text: str) -> Cells:
    """One cell of score 0.5 drawn with #."""
    bitmap = np.array([[c == '#' for c in row] for row in text.split()], np.uint8)
    masks = InstanceMasks.from_bitmaps(bitmap[None])
    return Cells(masks.tight_boxes().astype(float), np.array([0.5]), np.array([7]), masks, CLASSES)


def test_a_feature_is_what_qupath_reads():
    (feature,) = drawn('.... .### .#.# .###').to_geojson()['features']
    assert feature['geometry'] == {
        'type': 'Polygon',
        'coordinates': [[[1, 1], [4, 1], [4, 4], [1, 4], [1, 1]], [[3, 2], [2, 2], [2, 3], [3, 3], [3, 2]]],
    }
    assert feature['properties'] == {
        'objectType': 'detection',
        'classification': {'name': 'Immune, ß', 'color': [0, 0, 200]},
        'measurements': {'Score': 0.5, 'Area px^2': 8},
    }


@pytest.mark.parametrize('largest', [0, 9, 10, 99_999, 1_000_000])
def test_points_are_written_as_json_writes_them(largest):
    values = [v for v in (0, 7, 10, 99, 100, 1000, 65_536, largest) if v <= largest]
    points = np.array([[x, y] for x in values for y in values], np.int32)
    text, ends = _points(points)
    assert [text[a:b] for a, b in pairwise(ends.tolist())] == [f'[{x},{y}],' for x, y in points.tolist()]


@pytest.mark.parametrize('seed', range(5))
def test_geojson_is_opened_by_shapely(seed, tmp_path):
    cells = random_cells(np.random.default_rng(seed), 30, *SIZE)
    found = json.loads(write('geojson', tmp_path, cells).read_text(encoding='utf-8'))
    bitmaps = cells.masks.to_ndarray()
    filled = np.flatnonzero(bitmaps.any(axis=(1, 2)))
    assert found['type'] == 'FeatureCollection'
    assert len(found['features']) == len(filled)
    for feature, k in zip(found['features'], filled.tolist()):
        polygon = shape(feature['geometry'])
        assert polygon.is_valid
        for part in getattr(polygon, 'geoms', [polygon]):  # rings run as RFC 7946 asks
            assert part.exterior.is_ccw
            assert not any(hole.is_ccw for hole in part.interiors)
        assert (shapely.contains_xy(polygon, *centres()) == bitmaps[k]).all()
        assert feature['properties']['measurements'] == {
            'Score': cells.scores[k],
            'Area px^2': bitmaps[k].sum(),
            'Area µm^2': bitmaps[k].sum() / 16,
            'Agreement': cells.agreement[k],
        }


def test_gzip_holds_the_same_geojson_and_no_time(tmp_path):
    cells = random_cells(np.random.default_rng(0), 9, *SIZE)
    packed = write('geojson.gz', tmp_path, cells)
    assert gzip.decompress(packed.read_bytes()) == write('geojson', tmp_path, cells).read_bytes()
    assert packed.read_bytes()[4:8] == bytes(4)


@pytest.mark.parametrize('tile', [16, 512])
@pytest.mark.parametrize('seed', range(4))
def test_label_tiff_shows_the_cell_of_the_highest_score(seed, tile, tmp_path, monkeypatch):
    monkeypatch.setattr(label_tiff, 'TILE', tile)
    size = (50, 40)
    cells = random_cells(np.random.default_rng(seed), 40, *size)
    path = write('label-tiff', tmp_path, cells, batches=7, size=size)
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        assert (page.asarray() == cells.to_label_map()).all()
        assert (page.dtype, page.tile, page.compression.name) == (np.uint16, (tile, tile), 'ADOBE_DEFLATE')
        assert page.tags['XResolution'].value == (40000, 1)  # px a cm
    assert len((tmp_path / 'a.labels.csv').read_text(encoding='utf-8').splitlines()) == 41


def test_more_than_65535_cells_are_32_bit(tmp_path):
    number = 1 << 16
    boxes = np.stack(np.divmod(np.arange(number), 256), axis=1)[:, ::-1]
    boxes = np.concatenate([boxes, boxes + 1], axis=1)
    masks = InstanceMasks(256, 256, boxes, np.arange(number + 1), np.ones(number))
    cells = Cells(boxes.astype(float), np.full(number, 0.5), np.full(number, 3), masks, CLASSES)
    few = tifffile.imread(write('label-tiff', tmp_path, cells[:-1], size=(256, 256)))
    many = tifffile.imread(write('label-tiff', tmp_path, cells, batches=3, size=(256, 256)))
    assert (few.dtype, many.dtype) == (np.uint16, np.uint32)
    assert (many.ravel() == np.arange(1, number + 1)).all()


@pytest.mark.parametrize('seed', range(5))
def test_rois_are_opened_by_roifile(seed, tmp_path):
    cells = random_cells(np.random.default_rng(seed), 30, *SIZE)
    bitmaps = cells.masks.to_ndarray()
    path = write('imagej-roi', tmp_path, cells)
    found = roifile.roiread(path)
    assert [roi.tobytes() for roi in found] == list(content(path).values())  # what roifile itself writes
    filled = np.flatnonzero(bitmaps.any(axis=(1, 2))).tolist()
    assert len(found) == len(filled)
    for roi, k in zip(found, filled):
        inside = np.zeros(SIZE, bool)
        for ring in roi.coordinates(multi=True):
            inside ^= shapely.contains_xy(shapely.Polygon(ring), *centres())
        assert (inside == bitmaps[k]).all()
        name = {3: 'Tumour "x"', 7: 'Immune, ß'}[cells.labels[k]]
        assert roi.name == f'{k + 1:07d} {name} {cells.scores[k]:.3f}'
        assert roi.stroke_color[1:] == bytes({3: (200, 0, 0), 7: (0, 0, 200)}[cells.labels[k]])
        assert (roi.left, roi.top, roi.right, roi.bottom) == tuple(cells.boxes[k])


def test_rois_far_from_the_origin_keep_their_place(tmp_path):
    boxes = np.array([[x, 69_990, x + 2, 69_992] for x in (40_000, 65_000)])
    masks = InstanceMasks(70_000, 70_000, boxes, [0, 4, 8], np.ones(8))
    cells = Cells(boxes.astype(float), np.ones(2), np.full(2, 3), masks, CLASSES)
    for roi, (x, y, _, _) in zip(roifile.roiread(write('imagej-roi', tmp_path, cells, size=(70_000, 70_000))), boxes):
        assert roi.coordinates().min(axis=0).tolist() == [x, y]


def test_the_table_says_where_cells_lie(tmp_path):
    cells = drawn('..... .##.. .#...')
    both = Cells(
        np.tile(cells.boxes, (2, 1)),
        np.array([0.5, 0.25]),
        np.array([7, 3]),
        InstanceMasks.from_bitmaps(np.stack([cells.masks.to_ndarray()[0], np.zeros((3, 5), np.uint8)])),
        CLASSES,
        np.array([1.0, 0.5]),
    )
    text = write('csv', tmp_path, both, batches=2, mpp=0.5, size=(3, 5)).read_text(encoding='utf-8')
    assert list(csv.reader(io.StringIO(text))) == [
        ['id', 'class', 'score', 'area_px2', 'area_um2', 'centroid_x', 'centroid_y', 'agreement'],
        ['1', 'Immune, ß', '0.5', '3', '0.75', '1.83', '1.83', '1.0'],  # px centres (1.5, 1.5) (2.5, 1.5) (1.5, 2.5)
        ['2', 'Tumour "x"', '0.25', '0', '0.0', '', '', '0.5'],
    ]


@pytest.mark.parametrize('seed', range(3))
def test_the_table_agrees_with_plain_sums(seed, tmp_path):
    cells = random_cells(np.random.default_rng(seed), 25, *SIZE)
    rows = list(csv.DictReader(io.StringIO(write('csv', tmp_path, cells, 3).read_text(encoding='utf-8'))))
    for row, bitmap in zip(rows, cells.masks.to_ndarray(), strict=True):
        assert int(row['area_px2']) == bitmap.sum()
        ys, xs = np.nonzero(bitmap)
        expected = [f'{round(v.mean() + 0.5, 2)}' if len(v) else '' for v in (xs, ys)]
        assert [row['centroid_x'], row['centroid_y']] == pytest.approx(expected)


@pytest.mark.parametrize('number', [0, 40])
def test_coco_results_are_read_as_predictions(number, tmp_path):
    cells = random_cells(np.random.default_rng(1), number, *SIZE)
    assert not number or any(b'\\' in rle['counts'] for rle in cells.to_rles())  # what JSON escapes
    entries = read_results(write('coco', tmp_path, cells, batches=5))
    assert [e['score'] for e in entries] == cells.scores.tolist()
    assert [e['category_id'] for e in entries] == cells.labels.tolist()
    assert [e['agreement'] for e in entries] == cells.agreement.tolist()
    assert [[x, y, x + w, y + h] for x, y, w, h in (e['bbox'] for e in entries)] == cells.boxes.tolist()
    masks = InstanceMasks.from_rles([e['segmentation'] for e in entries], *SIZE)
    assert (masks.to_ndarray() == cells.masks.to_ndarray()).all()


def test_coco_results_are_written_as_json_writes_them(tmp_path):
    cells = random_cells(np.random.default_rng(2), 30, *SIZE)
    lines = write('coco', tmp_path, cells, batches=3).read_text(encoding='utf-8').splitlines()
    assert (lines[0], lines[-1]) == ('[', ']')
    entries = json.loads(''.join(lines))
    assert [line.removesuffix(',') for line in lines[1:-1]] == [json.dumps(entry) for entry in entries]
    assert list(entries[0]) == ['image_id', 'category_id', 'score', 'bbox', 'segmentation', 'agreement']


def content(path):
    """The bytes; of a zip those of its files."""
    if path.suffix == '.zip':
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    return path.read_bytes()


@pytest.mark.parametrize('name', FORMATS)
@pytest.mark.parametrize('seed', range(2))
def test_batches_do_not_show_in_the_file(name, seed, tmp_path):
    cells = random_cells(np.random.default_rng(seed), 20, *SIZE)
    whole = content(write(name, tmp_path, cells, mpp=None))
    assert content(write(name, tmp_path, cells, batches=23, mpp=None)) == whole
    assert write(name, tmp_path, cells[:0], batches=2).is_file()  # without cells too


@pytest.mark.parametrize('name', FORMATS)
def test_any_value_but_0_is_of_the_cell(name, tmp_path):
    cells = random_cells(np.random.default_rng(0), 20, *SIZE)
    plain = content(write(name, tmp_path, cells))
    bits = cells.masks.bits * np.random.default_rng(0).integers(1, 256, len(cells.masks.bits))
    masks = InstanceMasks(*SIZE, cells.masks.boxes, cells.masks.starts, bits)
    assert content(write(name, tmp_path, replace(cells, masks=masks))) == plain


def write_two(writer, cells):
    writer.write(cells)
    writer.write(replace(cells, masks=cells.masks.pad((24, 37))))


@pytest.mark.parametrize('name', FORMATS)
def test_an_error_leaves_an_earlier_file_and_nothing_else(name, tmp_path):
    cells = random_cells(np.random.default_rng(0), 5, *SIZE)
    path = write(name, tmp_path, cells)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    writer = FORMATS[name](path, *SIZE, CLASSES)
    with pytest.raises(ValueError, match='found 24 x 37'), writer:
        write_two(writer, cells)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_an_error_at_the_end_leaves_nothing(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(label_tiff.tifffile, 'imwrite', full)
    with pytest.raises(OSError, match=r'No space left on device: .*a\.labels\.tif'):
        write('label-tiff', tmp_path, random_cells(np.random.default_rng(0), 5, *SIZE))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda c: c.masks.pad((24, 37)), 'expected cells of an image of 23 x 37 px, found 24 x 37'),
        (lambda c: c.labels.fill(5), r'expected scores and classes \[3, 7\], found class 5'),
        (lambda c: c.scores.fill(np.nan), 'found a score that is no number'),
    ],
)
def test_cells_that_do_not_fit_are_refused(change, message, tmp_path):
    cells = random_cells(np.random.default_rng(0), 2, *SIZE)
    masks = change(cells)
    if masks is not None:
        cells = replace(cells, masks=masks)
    with pytest.raises(ValueError, match=message):
        write('geojson', tmp_path, cells)
