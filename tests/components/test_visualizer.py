"""Contours: which pixels they touch, the same for every form of mask, and no stack of full-size masks."""

import tracemalloc
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tifffile
import torch
from mmdet.models.utils import mask2ndarray
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.components.hooks.cell_visualization_hook import CellVisualizationHook, picture_name
from mmcellseg.components.transforms.load_tiff_image import LoadTiffImage
from mmcellseg.components.visualizer import CellVisualizer
from mmcellseg.reporting import overlay
from mmcellseg.reporting.overlay import draw_contours, draw_overlay
from mmcellseg.structures.masks import InstanceMasks

PALETTE = [(255, 0, 0), (0, 255, 0)]


@pytest.fixture
def own_size(monkeypatch):
    """Tiny images are not enlarged."""
    monkeypatch.setattr(overlay, 'SMALLEST', 1)


@pytest.fixture
def bitmaps() -> np.ndarray:
    """A 4 × 5 rectangle, a 5 × 5 one with a hole of one pixel at the image's corner, and an empty mask."""
    masks = np.zeros((3, 20, 30), np.uint8)
    masks[0, 3:7, 10:15] = 1
    masks[1, 15:20, 25:30] = 1
    masks[1, 17, 27] = 0
    return masks


def expected(bitmaps: np.ndarray) -> np.ndarray:
    drawn = np.full((20, 30, 3), 9, np.uint8)
    for mask, colour in zip(bitmaps, [(255, 0, 0), (0, 255, 0), (255, 0, 0)]):
        padded = np.pad(mask, 1)
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        drawn[(mask == 1) & (inner == 0)] = colour
    return drawn


def instances(masks, **fields) -> InstanceData:
    return InstanceData(masks=masks, labels=torch.tensor([0, 1, 0]), **fields)


def test_contours_lie_on_the_border_pixels(bitmaps):
    image = np.full((20, 30, 3), 9, np.uint8)
    masks = BoxMasks.from_bitmaps(bitmaps)
    drawn = draw_contours(image, masks, [0, 1, 2], PALETTE)  # the palette starts again: 2 is the first colour
    assert np.array_equal(drawn, expected(bitmaps))
    assert (image == 9).all()
    assert np.array_equal(draw_contours(image, masks.to_rles(), [0, 1, 0], PALETTE), drawn)
    assert np.array_equal(draw_contours(image, [], [], PALETTE), image)


def test_contours_zoom_and_refuse_what_does_not_fit(bitmaps):
    masks = BoxMasks.from_bitmaps(bitmaps)
    drawn = draw_contours(np.zeros((20, 30, 3), np.uint8), masks[:1], [1], PALETTE, zoom=3)
    assert drawn.shape == (60, 90, 3)
    rows, columns = np.nonzero(drawn[..., 1])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 20, 30, 44)
    assert not drawn[10:20, 31:44].any()
    with pytest.raises(ValueError, match='expected masks of the image drawn on, 40 x 60 px, .* 20 x 30 px'):
        draw_contours(np.zeros((40, 60, 3), np.uint8), masks, [0, 1, 0], PALETTE)


FORMS = {
    'RLEs': lambda m: BoxMasks.from_bitmaps(m).to_rles(),
    'ours': BoxMasks.from_bitmaps,
    'stock': lambda m: BitmapMasks(m, 20, 30),
    'tensor': lambda m: torch.from_numpy(m).bool(),
    'array': lambda m: m.astype(bool),
    'browse_dataset.py': lambda m: mask2ndarray(BoxMasks.from_bitmaps(m)).astype(bool),
}


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.usefixtures('own_size')
def test_every_form_of_mask(bitmaps, form):
    visualizer = CellVisualizer()
    visualizer.dataset_meta = {'palette': PALETTE}
    sample = DetDataSample()
    sample.gt_instances = instances(FORMS[form](bitmaps), bboxes=torch.zeros(3, 4))
    image = np.full((20, 30, 3), 9, np.uint8)
    for one in (sample, sample.numpy()):
        visualizer.add_datasample('a', image, one)  # nothing was predicted
        assert np.array_equal(visualizer.get_image(), expected(bitmaps))
    sample.pred_instances = instances(FORMS[form](bitmaps), scores=torch.tensor([0.9, 0.2, 0.8]))
    visualizer.add_datasample('a', image, sample, pred_score_thr=0.3)
    drawn = visualizer.get_image()
    assert np.array_equal(drawn[:, :30], expected(bitmaps))
    bitmaps[1] = 0  # the prediction below the threshold
    assert np.array_equal(drawn[:, 30:], expected(bitmaps))
    visualizer.add_datasample('a', image, sample, draw_pred=False)
    assert visualizer.get_image().shape == image.shape


@pytest.mark.usefixtures('own_size')
def test_a_second_guess_of_a_cell_is_not_drawn_and_the_most_confident_lie_on_top(bitmaps):
    shifted = np.roll(bitmaps[0], 1, axis=1)  # 4 of its 5 columns are the better one's
    masks = BoxMasks.from_bitmaps(np.stack([shifted, bitmaps[0]])).to_rles()
    guesses = InstanceData(masks=masks, labels=torch.tensor([1, 0]), scores=torch.tensor([0.6, 0.9]))
    image = np.full((20, 30, 3), 9, np.uint8)
    drawn = CellVisualizer()._draw_instances(image, guesses, None, PALETTE)
    masks = BoxMasks.from_bitmaps(bitmaps[[0, 0]]).to_rles()
    same = InstanceData(masks=masks, labels=torch.tensor([1, 0]), scores=torch.tensor([0.9, 0.8]))
    bitmaps[1] = 0
    assert np.array_equal(drawn, expected(bitmaps))
    assert CellVisualizer()._draw_instances(image, same, None, PALETTE)[3, 10].tolist() == [0, 255, 0]


def test_tiny_images_are_enlarged_and_lines_go_with_the_size():
    masks = InstanceMasks.from_windows([[100, 100, 200, 200]], [np.ones((100, 100), np.uint8)], 300, 300)
    drawn = draw_overlay(np.zeros((300, 300, 3), np.uint8), masks, [0], PALETTE)
    assert drawn.shape == (600, 600, 3)
    assert (drawn[300, :, 0] > 0).sum() == 2
    for side, width in ((600, 1), (4500, 3)):
        wide = InstanceMasks.from_windows([[100, 100, 200, 200]], [np.ones((100, 100), np.uint8)], side, side)
        drawn = draw_overlay(np.zeros((side, side, 3), np.uint8), wide, [0], PALETTE)
        assert drawn.shape == (side, side, 3)
        assert (drawn[150, :, 0] > 0).sum() == 2 * width


def test_the_legend_names_every_class_in_its_colour():
    image = np.zeros((600, 480, 3), np.uint8)
    names = ['epithelial', 'a class with a name so long that it takes most of a row of its own', 'spindle']
    palette = [*PALETTE, (0, 0, 255)]
    drawn = draw_overlay(image, [], [], palette, names)
    strip = drawn[600:]
    assert not drawn[:600].any()
    places = [np.argwhere((strip == colour).all(-1)) for colour in palette]
    assert [len(place) for place in places] == [14 * 14] * 3  # squares of the letters' size
    assert places[0][0, 0] < places[1][0, 0] <= places[2][0, 0]  # the second begins a new row
    assert all((strip[place[:, 0].min() : place[:, 0].max(), place[-1, 1] + 10 :] < 60).any() for place in places)


@pytest.mark.usefixtures('own_size')
def test_polygons_and_nothing():
    visualizer = CellVisualizer(line_width=1)
    image = np.zeros((20, 30, 3), np.uint8)
    square = PolygonMasks([[np.array([5.0, 5, 12, 5, 12, 12, 5, 12])]], 20, 30)
    labels = torch.tensor([0])
    assert visualizer._draw_instances(image, InstanceData(masks=square, labels=labels), None, PALETTE)[5, 5:12, 0].all()
    none = InstanceData(masks=torch.zeros(0, 20, 30), labels=torch.zeros(0, dtype=torch.long))
    assert np.array_equal(visualizer._draw_instances(image, none, None, PALETTE), image)


def test_memory_goes_with_the_boxes():
    """2,000 cells on 1000 × 1000 px would be 2 GB as a stack; they take less than 50 MB."""
    side, cell = 1000, np.ones((12, 12), np.uint8)
    yx = np.stack(np.divmod(np.arange(2000), 50), 1) * [24, 20]
    boxes = np.concatenate([yx[:, ::-1], yx[:, ::-1] + 12], 1)
    rles = BoxMasks.from_windows(boxes, [cell] * 2000, side, side).to_rles()
    image = np.zeros((side, side, 3), np.uint8)
    tracemalloc.start()
    drawn = draw_contours(image, rles, np.zeros(2000, int), PALETTE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert (drawn[..., 0] > 0).sum() == 2000 * 44  # 4 × 12 − 4 border pixels a cell


@pytest.fixture
def run(tmp_path, bitmaps):
    """A run's visualizer, loader and sample of a float TIFF that only a scale rule can read."""
    folder = tmp_path / 'train' / 'one'
    folder.mkdir(parents=True)
    tifffile.imwrite(folder / 'image.tif', np.full((20, 30), 500, np.float32))
    sample = DetDataSample(metainfo={'img_path': str(folder / 'image.tif'), 'img_id': 7})
    sample.pred_instances = instances(BoxMasks.from_bitmaps(bitmaps).to_rles(), scores=torch.ones(3))
    pipeline = SimpleNamespace(transforms=[LoadTiffImage(scale=(0, 1000))])
    loader = SimpleNamespace(dataset=SimpleNamespace(pipeline=pipeline))
    runner = SimpleNamespace(log_dir=str(tmp_path / 'log'), iter=10, val_dataloader=loader, test_dataloader=loader)
    return runner, sample


def make_visualizer() -> CellVisualizer:
    Visualizer._instance_dict.clear()  # the hook draws with the instance made last
    visualizer = CellVisualizer.get_instance('drawn')
    visualizer.dataset_meta = {'palette': PALETTE}
    return visualizer


@pytest.mark.usefixtures('own_size')
def test_hook_writes_pictures(run, bitmaps):
    runner, sample = run
    make_visualizer()
    hook = CellVisualizationHook(draw=True, test_out_dir='show')
    hook.after_test_iter(runner, 0, {}, [sample])
    hook.after_test_iter(runner, 1, {}, [sample])
    drawn = cv2.imread(f'{runner.log_dir}/show/7_one.png')[..., ::-1]
    ground = expected(bitmaps)
    ground[(ground == 9).all(-1)] = 128  # 500 of 0–1000, as the pipeline reads it
    assert np.array_equal(drawn, ground)
    sample.set_metainfo({'img_path': 'test_release/abc.tif'})
    assert picture_name(sample) == '7_abc.png'
