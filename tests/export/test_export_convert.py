"""From predictions to files and back: every cell comes back as it was."""

import gzip
import json
import runpy
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import roifile
import shapely
import tifffile
from PIL import Image
from random_masks import CLASSES, random_cells
from shapely.geometry import shape

from mmcellseg.export.convert import coco_of_files, export_results, read_images, to_cells
from mmcellseg.export.formats import FORMATS
from mmcellseg.export.geojson import ExportReadError, read_geojson
from mmcellseg.structures.masks import InstanceMasks
from mmcellseg.structures.results import read_results, write_results

REPO = Path(__file__).resolve().parents[2]
SUBMISSIONS = sorted(REPO.glob('work_dirs/consep/s2[89]*/submission.zip'))
SIZES = {1: (23, 37), 4: (30, 11)}
IMAGES = [{'id': i, 'file_name': f'slides/case {i}/image.tif', 'height': h, 'width': w} for i, (h, w) in SIZES.items()]


def entries_of(cells, image_id):
    boxes = np.concatenate([cells.boxes[:, :2], cells.boxes[:, 2:] - cells.boxes[:, :2]], axis=1)
    return [
        {'image_id': image_id, 'category_id': label, 'score': score, 'bbox': box, 'segmentation': rle}
        for label, score, box, rle in zip(cells.labels, cells.scores, boxes, cells.to_rles())
    ]


@pytest.fixture
def tool(monkeypatch, capsys):
    """Runs tools/export.py; its output."""

    def call(*args):
        monkeypatch.setattr(sys, 'argv', ['export.py', *map(str, args)])
        runpy.run_path(str(REPO / 'tools/export.py'), run_name='__main__')
        return capsys.readouterr().out

    return call


@pytest.fixture
def case(tmp_path):
    """Builds a predictions file and a COCO json of its images: their paths, and the cells by image."""

    def build(seed, apart=False):
        rng = np.random.default_rng(seed)
        cells = {i: random_cells(rng, 25, *size, apart) for i, size in SIZES.items()}
        cells = {i: c[c.masks.areas > 0] for i, c in cells.items()}
        write_results(tmp_path / 'results.json', [e for i, c in cells.items() for e in entries_of(c, i)])
        categories = [{'id': c.id, 'name': c.name} for c in CLASSES]
        (tmp_path / 'images.json').write_text(json.dumps({'images': IMAGES, 'categories': categories}))
        return tmp_path / 'results.json', tmp_path / 'images.json', cells

    return build


@pytest.mark.parametrize('seed', range(12))
@pytest.mark.parametrize(('form', 'name'), [('geojson', 'geojson'), ('geojson.gz', 'geojson'), ('label-tiff',) * 2])
def test_every_cell_comes_back_as_it_was(seed, form, name, case, tool, tmp_path):
    results, images, cells = case(seed, apart=name == 'label-tiff')
    tool(results, '--images', images, '--to', form, '--out', tmp_path / 'out')
    files = sorted((tmp_path / 'out').rglob(f'*{FORMATS[form].suffix}'))
    said = tool('--from', name, *files, '--images', images, '--out', tmp_path / 'coco.json')
    coco = json.loads((tmp_path / 'coco.json').read_text())
    assert said == f'{tmp_path}/coco.json: {sum(map(len, cells.values()))} cells of 2 images\n'
    assert coco['images'] == IMAGES
    assert [a['id'] for a in coco['annotations']] == list(range(1, len(coco['annotations']) + 1))
    for image_id, expected in cells.items():
        back = [a for a in coco['annotations'] if a['image_id'] == image_id]
        masks = InstanceMasks.from_rles([a['segmentation'] for a in back], *SIZES[image_id])
        assert (masks.to_ndarray() == expected.masks.to_ndarray()).all()  # IoU 1 of every cell
        assert [a['category_id'] for a in back] == expected.labels.tolist()
        assert [a['area'] for a in back] == expected.masks.areas.tolist()
        assert [a['bbox'] for a in back] == [
            [x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in expected.masks.tight_boxes().tolist()
        ]


@pytest.mark.parametrize('seed', range(5))
def test_coco_results_come_back_as_they_were(seed, case, tool, tmp_path):
    results, images, _ = case(seed)
    tool(results, '--images', images, '--to', 'coco', '--out', tmp_path / 'out')
    parts = [read_results(tmp_path / f'out/slides/case {i}/image.coco.json') for i in SIZES]
    assert [entry for part in parts for entry in part] == read_results(results)


def test_cells_below_the_threshold_are_left_out(case, tool, tmp_path):
    results, images, cells = case(0)
    number = sum((c.scores >= 0.5).sum() for c in cells.values())
    said = tool(results, '--images', images, '--to', 'csv', '--score-thr', 0.5, '--out', tmp_path / 'out')
    assert said == f'{tmp_path}/out: {number} cells in 2 files\n'


@pytest.mark.parametrize('path', SUBMISSIONS, ids=lambda path: path.parent.name[:3])
def test_tracked_predictions_are_the_same_in_other_software(path, tmp_path):
    """All cells of a CoNSeP tile: the IoU of what shapely, roifile and tifffile read is 1."""
    size = (1000, 1000)
    with zipfile.ZipFile(path) as archive:
        entries = [e for e in json.loads(archive.read('test-results.json')) if e['image_id'] == 1]
    write_results(tmp_path / 'results.json', entries)
    images = [{'id': 1, 'file_name': 't.png', 'height': 1000, 'width': 1000}]
    names = ('geojson', 'label-tiff', 'imagej-roi')
    classes = [type(CLASSES[0])(k, f'class{k}') for k in range(1, 5)]
    export_results(tmp_path / 'results.json', images, classes, [FORMATS[n] for n in names], tmp_path)
    cells = to_cells(entries, *size, classes, None)
    collection = json.loads((tmp_path / 't.geojson').read_text())
    rois = roifile.roiread(tmp_path / 't.rois.zip')
    assert len(collection['features']) == len(rois) == len(cells)
    boxes = cells.masks.boxes.tolist()
    for feature, roi, window, (x1, y1, x2, y2) in zip(collection['features'], rois, cells.masks.windows(), boxes):
        polygon = shape(feature['geometry'])
        assert polygon.is_valid
        xs, ys = np.meshgrid(np.arange(x1, x2) + 0.5, np.arange(y1, y2) + 0.5)
        assert (shapely.contains_xy(polygon, xs, ys) == (window != 0)).all()
        assert polygon.bounds == (x1, y1, x2, y2)
        drawn = [shapely.Polygon(ring) for ring in roi.coordinates(multi=True)]
        same = drawn[0]
        for ring in drawn[1:]:
            same = same.symmetric_difference(ring)
        assert same.symmetric_difference(polygon).area == 0
    assert (tifffile.imread(tmp_path / 't.labels.tif') == cells.to_label_map()).all()
    (names_back, masks) = read_geojson(tmp_path / 't.geojson', *size)
    assert names_back == [f'class{label}' for label in cells.labels]
    assert masks.to_rles() == cells.to_rles()


def feature(kind='Polygon', coordinates=(((1, 1), (3, 1), (3, 2), (1, 2), (1, 1)),), **properties):
    return {'type': 'Feature', 'geometry': {'type': kind, 'coordinates': coordinates}, 'properties': properties}


@pytest.mark.parametrize('collection', [False, True])
def test_what_qupath_exports_is_read(collection, tmp_path):
    """Line breaks, a byte order mark, a cell with its nucleus, one without a class, and one drawn over the border."""
    nucleus = feature(objectType='cell', classification={'name': 'Tumor', 'color': [1, 2, 3]}, isLocked=False)
    nucleus['nucleusGeometry'] = feature()['geometry']
    drawn = feature(coordinates=[[[3.6, -2.0], [9.0, -2.0], [9.0, 1.4], [3.6, 1.4], [3.6, -2.0]]])
    found = {'type': 'FeatureCollection', 'features': [nucleus, drawn]} if collection else [nucleus, drawn]
    (tmp_path / 'a.geojson').write_text('\ufeff' * collection + json.dumps(found, indent=2))
    names, masks = read_geojson(tmp_path / 'a.geojson', 4, 6)
    assert names == ['Tumor', None]
    assert masks.tight_boxes().tolist() == [[1, 1, 3, 2], [4, 0, 6, 1]]
    assert masks.areas.tolist() == [2, 2]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'expected a GeoJSON FeatureCollection'),
        ('{"type": "Topology"}', 'expected a GeoJSON FeatureCollection'),
        (json.dumps([feature()])[:-9], 'truncated or not JSON'),
        ('[5]', 'feature 0 is 5, expected a feature with a geometry'),
        (json.dumps([feature(), feature('Point', [1, 2])]), 'feature 1 is a Point, expected a Polygon'),
        (json.dumps([feature(coordinates=[[[1], [2, 3]]])]), 'feature 0 is no polygon of points'),
        (json.dumps([feature(coordinates=[[['a', 2]]])]), 'feature 0 is no polygon of points'),
        (json.dumps([feature(coordinates=[[[1, 2], [float('nan'), 2]]])]), 'feature 0 is no polygon of points'),
        (json.dumps([feature(coordinates=[[5, 6]])]), 'feature 0 is no polygon of points'),
        (json.dumps([feature(coordinates=[5])]), 'feature 0 is no polygon of points'),
        (json.dumps([feature('MultiPolygon', [5])]), 'feature 0 is no polygon of points'),
        (json.dumps([feature(coordinates=None)]), 'feature 0 is no polygon of points'),
        (json.dumps([feature(coordinates=[])]), r'no polygon of points \[x, y\] \(it is empty'),
    ],
)
def test_other_files_are_refused_by_name(text, message, tmp_path):
    (tmp_path / 'a.geojson').write_text(text)
    with pytest.raises(ExportReadError, match=rf'a\.geojson: .*{message}'):
        read_geojson(tmp_path / 'a.geojson', 5, 5)
    (tmp_path / 'a.geojson.gz').write_bytes(gzip.compress(text.encode())[:-5])
    with pytest.raises(ExportReadError, match='truncated or damaged'):
        read_geojson(tmp_path / 'a.geojson.gz', 5, 5)


def test_a_folder_of_images_gives_names_and_sizes(tmp_path):
    (tmp_path / 'b').mkdir()
    tifffile.imwrite(tmp_path / 'b' / 'x.tif', np.zeros((7, 5, 3), np.uint8), photometric='rgb')
    Image.new('RGB', (4, 9)).save(tmp_path / 'a.png')
    (tmp_path / 'a.csv').write_text('')
    assert read_images(tmp_path) == (
        [
            {'id': 1, 'file_name': 'a.png', 'height': 9, 'width': 4},
            {'id': 2, 'file_name': 'b/x.tif', 'height': 7, 'width': 5},
        ],
        [],
    )


def labels(path, values, rows=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.array(values, np.uint16))
    if rows:
        path.with_suffix('.csv').write_text('\n'.join(rows) + '\n')
    return path


X = [{'id': 5, 'file_name': 'x.tif', 'height': 1, 'width': 4}]


def test_labels_of_other_programs_are_one_class(tmp_path):
    coco = coco_of_files([labels(tmp_path / 'x.tif', [[0, 9, 9, 4]])], 'label-tiff', X)
    assert coco['categories'] == [{'id': 1, 'name': 'cell', 'supercategory': 'cell'}]
    assert [(a['category_id'], a['bbox']) for a in coco['annotations']] == [(1, [3, 0, 1, 1]), (1, [1, 0, 2, 1])]


def test_a_corrected_class_and_a_new_cell_of_the_table_count(tmp_path):
    path = labels(tmp_path / 'x.labels.tif', [[0, 9, 9, 4]], ['id,class,score', '9,b,0.5', '4,a,', '8,c,1'])
    coco = coco_of_files([path], 'label-tiff', X)
    assert [c['name'] for c in coco['categories']] == ['a', 'b']
    assert [a['category_id'] for a in coco['annotations']] == [1, 2]


@pytest.mark.parametrize(
    ('name', 'values', 'rows', 'message'),
    [
        ('x.tif', [[0, 1, 1]], None, r'x\.tif: expected labels of 1 x 4 px as the image has, found 1 x 3'),
        ('y.tif', [[0, 1, 1, 1]], None, r'y\.tif: expected the name of one of the 1 images, such as x'),
        ('x.tif', [[0, 1, 2, 3]], ['id,class', '1,a'], r'x\.csv: has no row for cell 2 of .* \(2 such cells\)'),
        ('x.tif', [[0, 1, 2, 3]], ['name', 'a'], r'x\.csv: expected rows with a whole number id and a class'),
        ('x.tif', [[0, 1, 1, 1]], ['id,class', '1,z'], "is of class 'z', expected one of"),
    ],
)
def test_what_does_not_fit_is_refused(name, values, rows, message, tmp_path):
    path = labels(tmp_path / name, values, rows)
    with pytest.raises(ValueError, match=message):
        coco_of_files([path], 'label-tiff', X, CLASSES)


def test_unclassified_cells_among_others_and_two_files_of_one_image_are_refused(tmp_path):
    (tmp_path / 'x.geojson').write_text(json.dumps([feature(classification={'name': 'a'}), feature()]))
    with pytest.raises(ExportReadError, match=r"a cell at \[1, 1\] has no class, expected one of \['a'\]"):
        coco_of_files([tmp_path / 'x.geojson'], 'geojson', [{**X[0], 'height': 3}])
    paths = [labels(tmp_path / name, [[0, 1, 1, 1]]) for name in ('x.tif', 'x.labels.tif')]
    with pytest.raises(ExportReadError, match=r'x\.tif belongs to the same image'):
        coco_of_files(paths, 'label-tiff', X)


def test_predictions_that_do_not_fit_are_refused(case, tool, tmp_path):
    results, images, _ = case(0)
    good = read_results(results)
    for change, message in [
        ({'image_id': 9}, 'expected ids of the images given, found image 9'),
        ({'category_id': 1}, r'image 1 was written\nentry 1 \(image 1\): unknown category 1'),
    ]:
        write_results(results, [good[0], {**good[1], **change}, *good[2:]])
        with pytest.raises(SystemExit, match=message):
            tool(results, '--images', images, '--to', 'csv', '--out', tmp_path / 'out')
    assert not list((tmp_path / 'out').rglob('*.csv'))


def test_images_that_would_share_a_file_are_refused(tmp_path):
    images = [{'id': k, 'file_name': name, 'height': 9, 'width': 9} for k, name in enumerate(('a.tif', 'a.png'))]
    cells = random_cells(np.random.default_rng(0), 3, 9, 9)
    write_results(tmp_path / 'r.json', entries_of(cells, 0) + entries_of(cells, 1))
    with pytest.raises(ValueError, match=r'two images would both be written as .*out/a'):
        export_results(tmp_path / 'r.json', images, CLASSES, [FORMATS['csv']], tmp_path / 'out')
    with pytest.raises(ValueError, match=r"image '../a.tif': expected a file name inside a folder"):
        export_results(
            tmp_path / 'r.json', [{**images[0], 'file_name': '../a.tif'}], CLASSES, [FORMATS['csv']], tmp_path
        )
