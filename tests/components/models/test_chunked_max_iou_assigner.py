"""The chunked assigner beside the stock one: the same result to the last bit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.models.task_modules.assigners.iou2d_calculator import BboxOverlaps2D
from mmdet.models.task_modules.prior_generators import AnchorGenerator
from mmengine.structures import InstanceData

from mmcellseg.components.models import chunked_max_iou_assigner
from mmcellseg.components.models.chunked_max_iou_assigner import ChunkedMaxIoUAssigner

RPN = {'pos_iou_thr': 0.7, 'neg_iou_thr': 0.3, 'min_pos_iou': 0.3}
RCNN = {'pos_iou_thr': 0.5, 'neg_iou_thr': 0.5, 'min_pos_iou': 0.5, 'match_low_quality': False}


@pytest.fixture(autouse=True, scope='module')
def small_matrices_in_chunks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunked_max_iou_assigner, 'WHOLE_PAIRS', 0)
        patch.setattr(chunked_max_iou_assigner, 'CPU_PAIRS', 1)
        yield


def boxes(generator, n, extent=60, whole=True, smallest=0):
    """Boxes on a coarse grid, so that duplicates, exact ties, touching and empty boxes are common."""
    corner = torch.rand(n, 2, generator=generator) * extent
    size = smallest + torch.rand(n, 2, generator=generator) * extent / 4
    out = torch.cat([corner, corner + size], 1)
    return (out / 4).round() * 4 if whole else out


def assert_same(config, priors, cells, labels=None, ignore=None, chunk_size=7):
    labels = torch.arange(len(cells)) % 4 if labels is None else labels
    predicted, truth = InstanceData(priors=priors), InstanceData(bboxes=cells, labels=labels)
    ignored = None if ignore is None else InstanceData(bboxes=ignore)
    stock = MaxIoUAssigner(**config).assign(predicted, truth, ignored)
    ours = ChunkedMaxIoUAssigner(chunk_size=chunk_size, **config).assign(predicted, truth, ignored)
    assert ours.num_gts == stock.num_gts
    for field in ('gt_inds', 'max_overlaps', 'labels'):
        a, b = getattr(ours, field), getattr(stock, field)
        assert a.dtype == b.dtype
        assert torch.equal(a.nan_to_num(-7), b.nan_to_num(-7)), field
    return ours


@settings(max_examples=250, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(0, 40),
    k=st.integers(0, 25),
    n_ignore=st.integers(0, 4),
    whole=st.booleans(),
    chunk_size=st.sampled_from([1, 5, 16, 1000]),
    config=st.fixed_dictionaries(
        {
            'pos_iou_thr': st.sampled_from([0.0, 0.3, 0.7]),
            'neg_iou_thr': st.sampled_from([0.3, 0.7, (0.1, 0.4), 0]),
            'min_pos_iou': st.sampled_from([-2.0, 0.0, 0.1, 0.3]),
            'gt_max_assign_all': st.booleans(),
            'ignore_iof_thr': st.sampled_from([-1, 0.3, 0.9]),
            'ignore_wrt_candidates': st.booleans(),
            'match_low_quality': st.booleans(),
            'gpu_assign_thr': st.sampled_from([-1, 3]),
            'iou_calculator': st.sampled_from(
                [{'type': 'BboxOverlaps2D'}, {'type': 'BboxOverlaps2D', 'scale': 4.0, 'dtype': 'fp16'}]
            ),
        }
    ),
)
def test_equals_stock(seed, n, k, n_ignore, whole, chunk_size, config):
    generator = torch.Generator().manual_seed(seed)
    priors, cells = boxes(generator, n, whole=whole), boxes(generator, k, whole=whole)
    if k > 3:
        cells[1], cells[-1] = cells[0], cells[2]  # the same cell twice
    ignore = boxes(generator, n_ignore, whole=whole, smallest=20) if n_ignore else None
    assert_same(config, priors, cells, ignore=ignore, chunk_size=chunk_size)


@pytest.mark.parametrize('assign_all', [True, False])
def test_real_anchors_and_cells(assign_all):
    generator = torch.Generator().manual_seed(0)
    anchors = AnchorGenerator(strides=[4, 8, 16], ratios=[0.5, 1.0, 2.0], scales=[4])
    priors = torch.cat(anchors.grid_priors([(40, 40), (20, 20), (10, 10)], device='cpu'))
    cells = boxes(generator, 90, extent=160, whole=False, smallest=3)
    cells[:30] = cells[:30].round()
    for size in (64, 1024):
        result = assert_same(dict(RPN, gt_max_assign_all=assign_all), priors, cells, chunk_size=size)
    assert (result.gt_inds > 0).sum() > 20
    assert_same(dict(RCNN, match_low_quality=True, min_pos_iou=0.0), priors, cells, chunk_size=64)
    assert_same(RCNN, cells + torch.rand(cells.shape, generator=generator), cells)


def test_worked_by_hand():
    # Priors 0 and 1 tie for cell 0 at IoU 0.5; prior 2 is cell 1 itself, and cell 2 its duplicate, which comes later.
    priors = torch.tensor([[0.0, 0, 5, 10], [5, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]])
    cells = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30], [20, 20, 30, 30]])
    labels = torch.tensor([3, 1, 2])
    result = assert_same(RPN, priors, cells, labels)
    assert result.gt_inds.tolist() == [1, 1, 3, 0]
    assert result.labels.tolist() == [3, 3, 2, -1]
    result = assert_same(dict(RPN, gt_max_assign_all=False), priors, cells, labels)
    assert result.gt_inds.tolist() == [1, -1, 3, 0]
    ignore = torch.tensor([[19.0, 19, 31, 31]])
    result = assert_same(dict(RPN, ignore_iof_thr=0.5), priors, cells, labels, ignore)
    assert result.gt_inds.tolist() == [1, 1, -1, 0]
    assert result.max_overlaps.tolist() == [0.5, 0.5, -1, 0]


def test_a_far_cell_claims_everything_at_zero():
    priors = torch.tensor([[0.0, 0, 5, 5], [8, 8, 12, 12]])
    cells = torch.tensor([[100.0, 100, 110, 110], [0, 0, 5, 5]])
    loose = dict(RPN, min_pos_iou=0.0)
    assert assert_same(loose, priors, cells).gt_inds.tolist() == [2, 1]
    assert assert_same(dict(loose, gt_max_assign_all=False), priors, cells.flip(0)).gt_inds.tolist() == [2, 0]


@pytest.mark.parametrize('value', [float('nan'), float('inf'), 1e30])
def test_boxes_that_are_not_finite(value):
    priors = torch.tensor([[0.0, 0, 5, 5], [2, 2, value, value], [8, 8, 12, 12]])
    cells = torch.tensor([[1.0, 1, 5, 5], [8, 8, value, 12]])
    for config in (RPN, RCNN, dict(RPN, min_pos_iou=0.0)):
        assert_same(config, priors, cells, chunk_size=2)


@pytest.mark.parametrize('calculator', [{'type': 'BboxOverlaps2D'}, {'type': 'BboxOverlaps2D', 'dtype': 'fp16'}])
@pytest.mark.parametrize('pairs', [1, 2**14])
def test_no_block_of_overlaps_is_larger_than_a_chunk(monkeypatch, calculator, pairs):
    generator = torch.Generator().manual_seed(4)
    anchors = AnchorGenerator(strides=[4, 8], ratios=[0.5, 1.0, 2.0], scales=[4])
    priors = torch.cat(anchors.grid_priors([(40, 40), (20, 20)], device='cpu'))
    cells, regions = (boxes(generator, n, extent=160, whole=False, smallest=3) for n in (90, 20))
    asked, stock = [], BboxOverlaps2D.__call__

    def spy(self, a, b, *args, **kwargs):
        asked.append(len(a) * len(b))
        return stock(self, a, b, *args, **kwargs)

    monkeypatch.setattr(chunked_max_iou_assigner, 'CPU_PAIRS', pairs)
    monkeypatch.setattr(BboxOverlaps2D, '__call__', spy)
    truth = InstanceData(bboxes=cells, labels=torch.zeros(90, dtype=torch.long))
    assigner = ChunkedMaxIoUAssigner(chunk_size=64, iou_calculator=calculator, ignore_iof_thr=0.5, **RPN)
    result = assigner.assign(InstanceData(priors=priors), truth, InstanceData(bboxes=regions))
    assert (result.gt_inds > 0).any()
    assert len(asked) > 20
    assert max(asked) <= max(64 * 90, pairs)
    assert max(asked) < len(priors) * len(cells) / 25


def test_few_pairs_go_the_stock_way(monkeypatch):
    priors, cells = boxes(torch.Generator().manual_seed(2), 50), boxes(torch.Generator().manual_seed(3), 9)
    monkeypatch.setattr(chunked_max_iou_assigner, 'WHOLE_PAIRS', 450)
    monkeypatch.setattr(ChunkedMaxIoUAssigner, '_match', None)
    assert_same(RPN, priors, cells)
