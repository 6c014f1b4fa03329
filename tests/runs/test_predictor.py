"""Trained models on images, from Python: against tools/test.py, in tiles, at other scales."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from tiny_run import SIZE, run_tool

from mmcellseg import predict
from mmcellseg.export.cells import Cells
from mmcellseg.predict import fitted_threshold, training_cell_area
from mmcellseg.reporting.records import read_record
from mmcellseg.runs.launch import load_config
from mmcellseg.slides.regions import ArrayImage
from mmcellseg.structures.masks import InstanceMasks

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def model(tiny_trained: Path) -> tuple[Path, Path]:
    return tiny_trained / 'tiny.py', tiny_trained / 'run/epoch_2.pth'


def rows(cells: Cells) -> list[tuple]:
    boxes = cells.boxes.copy()
    boxes[:, 2:] -= boxes[:, :2]
    counts = [rle['counts'].decode() for rle in cells.to_rles()]
    return list(zip(boxes.tolist(), cells.scores.tolist(), cells.labels.tolist(), counts))


@pytest.mark.parametrize('tta', [False, True])
def test_an_image_of_one_tile_gives_what_the_test_gives(tiny_trained, model, tmp_path, tta):
    config = tmp_path / 'tiny.py'
    views = "tta_model = dict(type='CellTTAModel', fusion=dict(type='SharedMaskFusion'))\n" if tta else ''
    config.write_text(model[0].read_text() + views)
    run_tool(REPO / 'tools/test.py', config, model[1], '--format-only', *['--tta'] * tta, cwd=tmp_path)
    (results,) = tmp_path.glob('work_dirs/tiny/*/test-results.json')
    entries = json.loads(results.read_text())
    predictor = predict.load(config, model[1], score_thr=0.0, tta=tta)
    assert [(c.id, c.name) for c in predictor.classes] == [(1, 'class1'), (2, 'class2')]
    for image_id in (1, 2, 3):
        expected = [
            (e['bbox'], e['score'], e['category_id'], e['segmentation']['counts'])
            for e in entries
            if e['image_id'] == image_id
        ]
        assert rows(predictor(tiny_trained / f'data/test_{image_id}.png')) == expected
    assert entries


def test_arrays_thresholds_and_forms(tiny_trained, model):
    image = cv2.imread(str(tiny_trained / 'data/test_1.png'))[..., ::-1]
    every = predict.load(*model, score_thr=0.0)(np.ascontiguousarray(image))
    middle = float(np.median(every.scores))
    cells = predict.load(*model, score_thr=middle)(np.ascontiguousarray(image))
    assert rows(cells) == [row for row in rows(every) if row[1] >= middle]
    label_map = cells.to_label_map()
    assert label_map.shape == (SIZE, SIZE)
    best = int(np.argmax(cells.scores))
    x0, y0, x1, y1 = cells.masks.boxes[best]
    assert (label_map[y0:y1, x0:x1][cells.masks.window(best) > 0] == best + 1).all()
    assert (label_map > 0).sum() == np.any(cells.masks.to_ndarray(), axis=0).sum()


def test_an_image_of_half_the_pixel_size_is_resampled_and_its_cells_come_back_at_its_own(tiny_trained, model):
    image = np.ascontiguousarray(cv2.imread(str(tiny_trained / 'data/test_2.png'))[..., ::-1])
    cells = predict.load(*model, score_thr=0.0)(image)
    predictor = predict.load(*model, score_thr=0.0, mpp=0.5, image_mpp=0.25)
    double = predictor(np.repeat(np.repeat(image, 2, 0), 2, 1))
    assert (double.height, double.width, double.mpp) == (2 * SIZE, 2 * SIZE, 0.25)
    np.testing.assert_allclose(double.boxes, 2 * cells.boxes, atol=1e-4)
    np.testing.assert_array_equal(double.scores, cells.scores)
    # Pasted at the image's own px: four times the area, but for the finer outlines.
    assert double.masks.areas.sum() == pytest.approx(4 * cells.masks.areas.sum(), rel=0.1)


def test_a_large_image_is_predicted_in_tiles(tiny_trained, model, tmp_path):
    tiles = [cv2.imread(str(tiny_trained / f'data/test_{k}.png'))[..., ::-1] for k in (1, 2, 3, 1, 3, 2)]
    mosaic = np.concatenate([np.concatenate(tiles[:3], 1), np.concatenate(tiles[3:], 1)])
    tifffile.imwrite(tmp_path / 'mosaic.tif', mosaic, photometric='rgb')
    predictor = predict.load(*model, score_thr=0.0, tile=48, overlap=32, batch=4, workers=2)
    cells = predictor(tmp_path / 'mosaic.tif')
    assert (cells.height, cells.width) == (2 * SIZE, 3 * SIZE)
    assert len(cells) > 6
    assert cells.boxes.min() >= 0
    assert (cells.boxes.max(0) <= [192, 128, 192, 128]).all()
    assert (cells.boxes[:, 2] > 100).any()  # in px of the image, not of a tile


def test_a_tile_has_as_many_proposals_a_px_as_the_config_has_for_a_tile_of_1024_px(tiny_trained, model):
    def caps(tile):
        loaded = predict.load(*model, tile=tile, overlap=0).detector._model.test_cfg
        return loaded.rpn.nms_pre, loaded.rpn.max_per_img, loaded.rcnn.max_per_img

    pre, proposals, cells = caps(1024)
    assert caps(512) == (pre // 4, proposals // 4, cells)  # a small tile may be crowded
    assert caps(2048) == (4 * pre, 4 * proposals, 4 * cells)


def test_members_are_merged_on_each_tile(tiny_trained, model, tmp_path, monkeypatch):
    """And a cap that one of them reaches is said once: of 10 detections in a tile, which a score of 0 fills."""
    said = []
    monkeypatch.setattr('mmcellseg.runs.predictor.print_log', lambda text, *_: said.append(text))
    config = tmp_path / 'both.py'
    member = f"dict(name='{{}}', results='', config={str(model[0])!r}, checkpoint={str(model[1])!r})"
    config.write_text(
        f"members = [{member.format('a')}, {member.format('b')}]\nout_dir = '{tmp_path}'\n"
        "fusion = dict(type='NMSFusion', iou='mask', class_wise=True, threshold=0.9)\n"
    )
    image = tiny_trained / 'data/test_1.png'
    merged = predict.load(config, score_thr=0.0)(image)
    single = predict.load(*model, score_thr=0.0)
    for name in (image, image.with_name('test_2.png')):
        single(name)
    found, *others = single.caps_reached()
    wanted = f'as many detections as model.test_cfg.rcnn.max_per_img=10 allows, so that cells may be missing: {image}'
    assert wanted in '\n'.join([found, *others])
    assert next(text for text in said if wanted in text).startswith('member a: 1 of 1 images')
    assert len([text for text in said if 'cells may be missing' in text]) == 2  # one of each predictor
    alone = single(image)
    assert set(rows(merged)[0][1:]) <= set(rows(alone)[0][1:])
    assert merged.agreement.tolist() == [1.0] * len(merged)
    assert len(merged) <= len(alone)


def test_configs_that_cannot_predict_are_said_in_a_line(model, tmp_path):
    config = tmp_path / 'three.py'
    config.write_text(f"members = []\nfusion = dict()\nout_dir = '{tmp_path}'\n")
    with pytest.raises(ValueError, match=r'three\.py is an ensemble, whose members name their checkpoints'):
        predict.load(config, model[1])
    config.write_text(model[0].read_text() + "test_dataloader['dataset']['pipeline'] = [dict(type='PackDetInputs')]\n")
    with pytest.raises(ValueError, match='begins with LoadTiffImage, found PackDetInputs'):
        predict.load(config, model[1])


def test_the_threshold_that_the_record_fitted(tmp_path, model):
    config, folder = tmp_path / 's2_tta.py', tmp_path / 's1_plain'
    assert fitted_threshold(config, folder) is None
    for name, content in (
        ('s1_plain', {'validation': {'label_map_score_threshold': 0.35}}),
        ('s2_tta', {'label_map_score_threshold': 0.6}),
    ):
        (tmp_path / name).mkdir()
        record = {'status': 'finished', 'config': {'values': {}}, **content}
        (tmp_path / name / 'record.json').write_text(json.dumps(record))
        # The step's own record once it is there, else that of the weights.
        assert fitted_threshold(config, folder) == (content.get('label_map_score_threshold', 0.35), tmp_path / name)
    assert predict.load(*model).detector.score_thr == 0.5


class Squares:
    """A detector that sees a cell of 10 × 10 px in every 20 × 20 px."""

    classes = ()

    def __call__(self, images, sizes):
        return [self.find(size) for size in sizes]

    def find(self, size):
        corners = np.array([[x, y] for y in range(0, size[0] - 10, 20) for x in range(0, size[1] - 10, 20)])
        boxes = np.concatenate([corners, corners + 10], axis=1)
        masks = InstanceMasks.from_windows(boxes, [np.ones((10, 10), np.uint8)] * len(boxes), *size)
        return Cells(boxes.astype(float), np.ones(len(boxes)), np.ones(len(boxes), np.int64), masks)


def test_the_training_datas_median_area_is_its_annotations_or_its_records(tiny_trained, model, tmp_path):
    area = training_cell_area(load_config(str(model[0])), model[1].parent)
    annotations = json.loads((tiny_trained / 'data/annotations/train.json').read_text())['annotations']
    assert area == np.median([a['area'] for a in annotations])
    assert (
        read_record(model[1].parent)['data'][str(tiny_trained / 'data/annotations/train.json')]['median_area'] == area
    )
    assert training_cell_area(load_config(str(model[0])), tmp_path) == area


@pytest.mark.parametrize(
    ('area', 'warned'), [(100, False), (220, False), (230, True), (45, False), (44, True), (None, False)]
)
def test_cells_of_another_size_than_those_trained_on_are_warned_about_once(area, warned, monkeypatch):
    said = []
    monkeypatch.setattr('mmcellseg.runs.predictor.print_log', lambda text, *_: said.append(text))
    predictor = predict.Predictor(Squares(), tile=100, overlap=40, cell_area=area)
    for _ in range(2):
        predictor(np.zeros((500, 500, 3), np.uint8))
    said = [text for text in said if 'median' in text]
    assert len(said) == warned
    assert not said or f"median of 100 px² where the training data's is {area} px²: check the magn" in said[0]


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'tile': 96}, 'tiles of 96 px that share 128 px: they may share three quarters at most'),
        ({'tile': 0, 'overlap': 0}, 'tile 0: expected more than 0'),
        ({'overlap': -1}, 'tiles of 1024 px that share -1 px'),
        ({'batch': 0}, 'batch 0: expected more than 0'),
        ({'mpp': 0}, 'mpp 0: expected more than 0'),
        ({'image_mpp': -0.5}, 'image_mpp -0.5: expected more than 0'),
        ({'score_thr': 1.5}, 'score_thr 1.5: expected a score from 0 to 1'),
        ({'device': 'cuda:1'}, 'device cuda:1: torch finds no GPU here; tools/doctor.py says why'),
    ],
)
def test_options_that_make_no_sense_are_refused(model, monkeypatch, options, said):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    with pytest.raises(ValueError, match=f'^{said}'):
        predict.load(*model, **options)


@pytest.mark.parametrize(
    ('own', 'mpp', 'trained', 'factor', 'word'),
    [
        (0.25, 0.25, 0.25, 1.0, None),
        (0.255, 0.25, 0.25, 1.0, None),
        (0.125, 0.25, 0.25, 0.5, None),
        (0.5, 0.25, 0.25, 2.0, 'is enlarged 2 times to 0.25'),
        (0.5, 'native', 0.25, 1.0, 'the network sees 0.5 µm/px, and was trained at 0.25'),
        (0.25, 0.5, 0.25, 0.5, 'the network sees 0.5 µm/px, and was trained at 0.25'),
        (None, 0.25, 0.25, 1.0, 'its file names no µm/px'),
        (0.25, None, None, 1.0, 'the config has no pixel_size'),
        (0.25, 0.5, None, 0.5, None),
    ],
)
def test_scale(monkeypatch, own, mpp, trained, factor, word):
    said = []
    monkeypatch.setattr('mmcellseg.runs.predictor.print_log', lambda text, *_: said.append(text))
    predictor = predict.Predictor(None, mpp=mpp, trained_mpp=trained, image_mpp=own)
    plan = predictor.plan(ArrayImage(np.zeros((2100, 3000, 3), np.uint8)))
    assert plan.factor == pytest.approx(factor)
    assert plan.grid.tile == round(1024 / factor)
    assert plan.grid.lefts[1] == round(896 / factor)
    assert len(said) == (word is not None)
    assert word is None or word in said[0]
