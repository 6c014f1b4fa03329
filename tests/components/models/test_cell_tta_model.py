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
from mmcellseg.components.transforms.swap_axes import SwapAxes
from mmcellseg.ensemble import NMSFusion

HEIGHT, WIDTH = 20, 30
# An asymmetric cell: an L whose corner is at the top left, without a pixel of one end.
CELL = np.zeros((HEIGHT, WIDTH), np.uint8)
CELL[3:9, 4:6] = 1
CELL[3:5, 4:10] = 1
CELL[8, 4] = 0
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


@pytest.mark.parametrize('direction', list(FLIPS))
@pytest.mark.parametrize('rles', [True, False])
def test_a_view_comes_back_into_the_frame_of_the_image(direction, rles):
    boxes, scores, labels, masks = read_view(view(direction, [FLIPS[direction]], [0.5], rles=rles))
    assert boxes.tolist() == [[4, 3, 10, 9]]
    assert (scores.tolist(), labels.tolist()) == ([0.5], [2])
    np.testing.assert_array_equal(masks.to_ndarray()[0], CELL)


@pytest.mark.parametrize('direction', list(FLIPS))
def test_a_transposed_view_comes_back_too(direction):
    turned = view(direction, [FLIPS[direction].T], [0.5], rles=False)
    turned.set_metainfo({'ori_shape': (WIDTH, HEIGHT), 'transposed': True})
    boxes, scores, _, masks = read_view(turned)
    assert (boxes.tolist(), scores.tolist()) == ([[4, 3, 10, 9]], [0.5])
    np.testing.assert_array_equal(masks.to_ndarray()[0], CELL)
    with pytest.raises(ValueError, match='expected a first view that is not transposed'):
        CellTTAModel(module=Detector()).merge_preds([[turned]])


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
        boxes, _, _, masks = read_view(found)
        assert boxes.tolist() == [[4, 3, 10, 9]]
        np.testing.assert_array_equal(masks.to_ndarray()[0], CELL)


def test_a_transposition_before_the_flip_is_refused():
    with pytest.raises(ValueError, match='SwapAxes: expected RandomFlip before it'):
        SwapAxes()({'img': np.zeros((4, 6, 3), np.uint8)})


def test_scale_factors_are_swapped_with_the_sides():
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    done = SwapAxes()(
        {'img': image, 'flip': False, 'img_shape': (4, 6), 'ori_shape': (2, 3), 'scale_factor': (1.9, 2.1)}
    )
    assert (done['img_shape'], done['ori_shape'], done['scale_factor']) == ((6, 4), (3, 2), (2.1, 1.9))
    np.testing.assert_array_equal(done['img'], image.transpose(1, 0, 2))


def test_scores_in_bfloat16_are_read():
    half = view(None, [CELL], [0.5])
    half.pred_instances.scores = half.pred_instances.scores.bfloat16()
    assert read_view(half)[1].tolist() == [0.5]


def test_views_are_merged_as_members():
    """Agreement counts all four views: the one that found nothing too."""
    model = CellTTAModel(module=Detector())
    blank = np.zeros_like(CELL)
    views = [
        view(None, [CELL], [0.8]),
        view('horizontal', [FLIPS['horizontal'], blank], [0.6, 0.9]),
        view('vertical', [], []),
        view('diagonal', [FLIPS['diagonal']], [0.4], [1]),
    ]
    (out,) = model.merge_preds([views])
    found = out.pred_instances
    assert out.img_id == 7
    assert found.scores.tolist() == pytest.approx([(0.8 + 0.6 + 0.4) / 4])
    assert found.labels.tolist() == [2]
    assert found.bboxes.tolist() == [[4, 3, 10, 9]]
    np.testing.assert_array_equal(BoxMasks.from_rles(found.masks, HEIGHT, WIDTH).to_ndarray()[0], CELL)


def test_the_fusion_is_the_configs():
    model = CellTTAModel(fusion={'type': 'NMSFusion', 'iou': 'mask'}, module=Detector())
    assert isinstance(model.fusion, NMSFusion)
    (out,) = model.merge_preds([[view(None, [CELL], [0.8]), view('vertical', [FLIPS['vertical']], [0.6])]])
    assert out.pred_instances.scores.tolist() == pytest.approx([0.8])


def test_views_are_kept_in_the_frame_of_the_image_where_asked_for():
    views = [view(None, [CELL], [0.8]), view('vertical', [FLIPS['vertical']], [0.6], [1]), view('diagonal', [], [])]
    (out,) = CellTTAModel(keep_views=True, module=Detector()).merge_preds([views])
    assert [v['scores'].tolist() for v in out.views] == [pytest.approx([0.8]), pytest.approx([0.6]), []]
    assert [v['labels'].tolist() for v in out.views] == [[2], [1], []]
    for kept in out.to_dict()['views'][:2]:
        assert kept['bboxes'].tolist() == [[4, 3, 10, 9]]
        np.testing.assert_array_equal(BoxMasks.from_rles(kept['masks'], HEIGHT, WIDTH).to_ndarray()[0], CELL)
    (out,) = CellTTAModel(module=Detector()).merge_preds([views])
    assert 'views' not in out


def test_a_box_that_is_a_line_is_no_cell():
    clipped = view('horizontal', [FLIPS['horizontal']] * 2, [0.5, 0.4])
    clipped.pred_instances.bboxes[1] = torch.tensor([WIDTH, 3, WIDTH, 9])
    boxes, scores, _, masks = read_view(clipped)
    assert (boxes.tolist(), scores.tolist(), len(masks)) == ([[4, 3, 10, 9]], [0.5], 1)


@pytest.mark.parametrize('direction', list(FLIPS))
def test_a_view_of_a_detector_without_boxes_takes_those_of_its_masks(direction):
    blank = view(direction, [FLIPS[direction], np.zeros_like(CELL)], [0.5, 0.4])
    blank.pred_instances.bboxes[:] = 0
    boxes, scores, _, masks = read_view(blank)
    assert (boxes.tolist(), scores.tolist()) == ([[4, 3, 10, 9]], [0.5])
    np.testing.assert_array_equal(masks.to_ndarray()[0], CELL)


def test_what_is_left_out_of_views_and_the_largest_view_are_counted():
    clipped = view('horizontal', [FLIPS['horizontal']] * 3, [0.5, 0.4, 0.3])
    clipped.pred_instances.bboxes[1] = torch.tensor([WIDTH, 3, WIDTH, 9])
    (out,) = CellTTAModel(module=Detector()).merge_preds([[view(None, [CELL, CELL * 0], [0.8, 0.1]), clipped]])
    assert (out.dropped, out.most_detections) == (2, 3)
    assert (out.to_dict()['dropped'], len(out.pred_instances)) == (2, 1)


def test_images_without_a_cell():
    (out,) = CellTTAModel(module=Detector()).merge_preds([[view(None, [], []), view('vertical', [], [])]])
    assert len(out.pred_instances) == 0


def test_a_view_that_does_not_tell_whether_it_is_mirrored_is_refused():
    sample = view(None, [CELL], [0.5])
    lacking = DetDataSample(metainfo={'ori_shape': (HEIGHT, WIDTH)})
    lacking.pred_instances = sample.pred_instances
    with pytest.raises(ValueError, match="expected 'flip_direction' among the meta_keys of PackDetInputs"):
        read_view(lacking)


def test_gradients_may_be_on():
    weight = nn.Parameter(torch.ones(1))

    class Learning(Detector):
        def test_step(self, data):
            sample = view(data['direction'], [FLIPS[data['direction']]], [0.5])
            sample.pred_instances.bboxes = sample.pred_instances.bboxes * weight
            return [sample]

    with torch.enable_grad():
        (merged,) = CellTTAModel(module=Learning()).test_step({'direction': [None, 'horizontal']})
    assert merged.pred_instances.bboxes.tolist() == [[4, 3, 10, 9]]


def test_a_detector_without_masks_is_named():
    boxes = view(None, [CELL], [0.5])
    del boxes.pred_instances.masks
    with pytest.raises(ValueError, match=r"predicts masks, found Detector with \['bboxes', 'labels', 'scores'\]"):
        CellTTAModel(module=Detector()).merge_preds([[boxes]])
