"""Views of one image are brought back into its frame, masks and boxes alike, before they are merged."""

import numpy as np
import pytest
import torch
from mmdet.registry import TRANSFORMS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from tiny_run import REPO
from torch import nn

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.components.models.cell_tta_model import CellTTAModel, read_view

HEIGHT, WIDTH = 20, 30
# An asymmetric cell: an L whose corner is at the top left, without a pixel of one end.
CELL = np.zeros((HEIGHT, WIDTH), np.uint8)
CELL[3:9, 4:6] = 1
CELL[3:5, 4:10] = 1
CELL[8, 4] = 0
BOX = [4, 3, 10, 9]
FLIPS = {None: CELL, 'horizontal': CELL[:, ::-1], 'vertical': CELL[::-1], 'diagonal': CELL[::-1, ::-1]}


class Detector(nn.Module):
    def test_step(self, data):
        raise NotImplementedError


def view(direction, cells, scores, labels=None, rles=True):
    """What a detector returns for the image mirrored in a direction."""
    bitmaps = np.stack(cells) if len(cells) else np.zeros((0, HEIGHT, WIDTH), np.uint8)
    places = [np.argwhere(bitmap) for bitmap in bitmaps]
    boxes = [[*(p.min(0)[::-1]), *(p.max(0)[::-1] + 1)] if len(p) else [1, 1, 2, 2] for p in places]
    masks = torch.from_numpy(bitmaps.astype(bool))
    if rles and len(cells):
        windows = [np.ascontiguousarray(bitmap) for bitmap in bitmaps]
        masks = BoxMasks.from_windows([[0, 0, WIDTH, HEIGHT]] * len(cells), windows, HEIGHT, WIDTH).to_rles()
    sample = DetDataSample(metainfo={'ori_shape': (HEIGHT, WIDTH), 'img_id': 7, 'flip_direction': direction})
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        scores=torch.tensor(scores, dtype=torch.float32),
        labels=torch.tensor(labels or [2] * len(cells), dtype=torch.long),
        masks=masks,
    )
    return sample


def merge(*views, **options):
    (merged,) = CellTTAModel(module=Detector(), **options).merge_preds([views])
    return merged


def assert_one_cell(view, score=0.5):
    """The view has CELL alone, in the frame of the image."""
    boxes, scores, labels, masks = read_view(view)
    assert (boxes.tolist(), scores.tolist(), labels.tolist()) == ([BOX], [score], [2])
    np.testing.assert_array_equal(masks.to_ndarray()[0], CELL)


@pytest.mark.parametrize('direction', list(FLIPS))
def test_a_view_comes_back_into_the_frame_of_the_image(direction):
    for rles in (True, False):
        assert_one_cell(view(direction, [FLIPS[direction]], [0.5], rles=rles))
    turned = view(direction, [FLIPS[direction].T], [0.5], rles=False)
    turned.set_metainfo({'ori_shape': (WIDTH, HEIGHT), 'transposed': True})
    assert_one_cell(turned)
    with pytest.raises(ValueError, match='expected a first view that is not transposed'):
        merge(turned)
    # A detector without boxes, such as SOLO: those of its masks; an empty mask is no cell.
    blank = view(direction, [FLIPS[direction], np.zeros_like(CELL)], [0.5, 0.4])
    blank.pred_instances.bboxes[:] = 0
    assert_one_cell(blank)
    half = view(direction, [FLIPS[direction]], [0.5])
    half.pred_instances.scores = half.pred_instances.scores.bfloat16()
    assert_one_cell(half)


def test_eight_views_of_a_pipeline_are_the_eight_symmetries():
    """What a detector sees in them comes back to the image, sizes that differ in height and width included."""
    axes = Config.fromfile(REPO / 'configs/_base_/parts/augmentation.py').views
    steps = [axes.mirrored, axes.transposed, axes.pack]
    image = np.repeat(CELL[..., None], 3, 2)
    loaded = {'img': image, 'img_shape': CELL.shape, 'ori_shape': CELL.shape, 'scale_factor': (1.0, 1.0), 'img_id': 7}
    views = TRANSFORMS.build({'type': 'TestTimeAug', 'transforms': steps, '_scope_': 'mmdet'})(loaded)
    seen = [inputs[0].numpy() for inputs in views['inputs']]
    assert len({(bitmap.shape, bitmap.tobytes()) for bitmap in seen}) == 8
    for bitmap, sample in zip(seen, views['data_samples'], strict=True):
        assert sample.ori_shape == sample.img_shape == bitmap.shape
        found = view(sample.flip_direction, [bitmap], [0.5], rles=False)
        found.set_metainfo(sample.metainfo)
        assert_one_cell(found)


def test_views_are_merged_as_members():
    """Agreement counts all four views: the one that found nothing too."""
    out = merge(
        view(None, [CELL], [0.8]),
        view('horizontal', [FLIPS['horizontal'], np.zeros_like(CELL)], [0.6, 0.9]),
        view('vertical', [], []),
        view('diagonal', [FLIPS['diagonal']], [0.4], [1]),
    )
    found = out.pred_instances
    assert out.img_id == 7
    assert found.scores.tolist() == pytest.approx([(0.8 + 0.6 + 0.4) / 4])
    assert (found.labels.tolist(), found.bboxes.tolist()) == ([2], [BOX])
    np.testing.assert_array_equal(BoxMasks.from_rles(found.masks, HEIGHT, WIDTH).to_ndarray()[0], CELL)
    assert len(merge(view(None, [], []), view('vertical', [], [])).pred_instances) == 0


def test_views_are_kept_in_the_frame_of_the_image_where_asked_for():
    views = [view(None, [CELL], [0.8]), view('vertical', [FLIPS['vertical']], [0.6], [1]), view('diagonal', [], [])]
    out = merge(*views, keep_views=True)
    assert [v['scores'].tolist() for v in out.views] == [pytest.approx([0.8]), pytest.approx([0.6]), []]
    assert [v['labels'].tolist() for v in out.views] == [[2], [1], []]
    for kept in out.to_dict()['views'][:2]:
        assert kept['bboxes'].tolist() == [BOX]
        np.testing.assert_array_equal(BoxMasks.from_rles(kept['masks'], HEIGHT, WIDTH).to_ndarray()[0], CELL)
    assert 'views' not in merge(*views)


def test_a_box_that_is_a_line_is_no_cell_and_what_is_left_out_is_counted():
    clipped = view('horizontal', [FLIPS['horizontal']] * 3, [0.5, 0.4, 0.3])
    clipped.pred_instances.bboxes[1] = torch.tensor([WIDTH, 3, WIDTH, 9])
    assert read_view(clipped)[1].tolist() == pytest.approx([0.5, 0.3])
    out = merge(view(None, [CELL, CELL * 0], [0.8, 0.1]), clipped)
    assert (out.dropped, out.most_detections) == (2, 3)
    assert (out.to_dict()['dropped'], len(out.pred_instances)) == (2, 1)


def test_gradients_may_be_on():
    weight = nn.Parameter(torch.ones(1))

    class Learning(Detector):
        def test_step(self, data):
            sample = view(data['direction'], [FLIPS[data['direction']]], [0.5])
            sample.pred_instances.bboxes = sample.pred_instances.bboxes * weight
            return [sample]

    with torch.enable_grad():
        (merged,) = CellTTAModel(module=Learning()).test_step({'direction': [None, 'horizontal']})
    assert merged.pred_instances.bboxes.tolist() == [BOX]


def test_what_cannot_be_merged_is_named():
    sample = view(None, [CELL], [0.5])
    lacking = DetDataSample(metainfo={'ori_shape': (HEIGHT, WIDTH)})
    lacking.pred_instances = sample.pred_instances.clone()
    with pytest.raises(ValueError, match="expected 'flip_direction' among the meta_keys of PackDetInputs"):
        read_view(lacking)
    del sample.pred_instances.masks
    with pytest.raises(ValueError, match=r"predicts masks, found Detector with \['bboxes', 'labels', 'scores'\]"):
        merge(sample)
