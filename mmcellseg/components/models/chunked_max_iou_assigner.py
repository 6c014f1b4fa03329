"""The stock max-IoU assignment without the matrix of cells × priors."""

import torch
from mmdet.models.task_modules.assigners import AssignResult, MaxIoUAssigner
from mmdet.models.task_modules.assigners.iou2d_calculator import BboxOverlaps2D
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

# Up to so many pairs of cells and priors the whole matrix is quicker, and takes 20 MB at the most.
WHOLE_PAIRS = 2**19
# Pairs looked at together: what a CPU's cache holds; on an accelerator few large steps beat many small ones.
CPU_PAIRS, ACCELERATOR_PAIRS = 2**16, 2**23


def neighbour_order(boxes: Tensor) -> Tensor:
    """Permutation that puts boxes ``(N, 4) xyxy`` of like size and place beside each other.

    Octaves of size first, then the centres along Morton's z-curve, so that a run of a few hundred boxes covers a
    small part of the image.
    """
    octave = (boxes[:, 2:] - boxes[:, :2]).amax(1).clamp(min=1).log2().long()
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    low = centre.amin(0)
    span = (centre.amax(0) - low).amax().clamp(min=1)
    cell = ((centre - low) / span * 1023).long().clamp(0, 1023)
    for shift, bits in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        cell = (cell | cell << shift) & bits  # in the end a zero before each of the 10 bits
    return (octave << 20 | cell[:, 0] | cell[:, 1] << 1).argsort(stable=True)


@TASK_UTILS.register_module()
class ChunkedMaxIoUAssigner(MaxIoUAssigner):
    """MaxIoUAssigner's result, to the last bit, in memory bounded by a chunk of priors.

    The overlaps of a chunk of neighbouring priors with the cells near it are computed by the same
    ``iou_calculator``, and thrown away. Once the best overlap of each cell is known, the chunks in which it
    occurs are computed again for the low-quality matches. With another calculator than ``BboxOverlaps2D`` in
    full precision, or with boxes that are not finite, every chunk meets all cells.

    A matrix of at most WHOLE_PAIRS pairs is left to the stock class, as is ``perm_repeat_gt_cfg``. ``gpu_assign_thr``
    has no effect: no matrix is left to move to the CPU.

    Args:
        chunk_size: Least number of priors in a chunk; more where there are few cells, or an accelerator.
        **kwargs: MaxIoUAssigner's.
    """

    def __init__(self, *args, chunk_size: int = 512, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.chunk_size = chunk_size

    def assign(
        self,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        gt_instances_ignore: InstanceData | None = None,
        **kwargs,
    ) -> AssignResult:
        """Assign each of ``pred_instances.priors`` (N, 4) to a cell, the background or nothing, as stock does."""
        cells, priors, labels = gt_instances.bboxes, pred_instances.priors, gt_instances.labels
        most = max(len(cells), 0 if gt_instances_ignore is None else len(gt_instances_ignore))
        if most * len(priors) <= WHOLE_PAIRS or self.perm_repeat_gt_cfg is not None:
            return super().assign(pred_instances, gt_instances, gt_instances_ignore)
        cells, priors = get_box_tensor(cells), get_box_tensor(priors)
        if len(cells) == 0 or len(priors) == 0:
            return self.assign_wrt_overlaps(self.iou_calculator(cells, priors), labels)
        size = max(self.chunk_size, (CPU_PAIRS if priors.device.type == 'cpu' else ACCELERATOR_PAIRS) // most)
        ignored = self._ignored(priors, gt_instances_ignore, size)
        return self._result(*self._match(cells, priors, ignored, size), labels)

    def _ignored(self, priors: Tensor, ignore: InstanceData | None, size: int) -> Tensor:
        """Which priors lie in a region to be ignored, ``(N,)`` bool."""
        ignored = torch.zeros(len(priors), dtype=torch.bool, device=priors.device)
        if self.ignore_iof_thr <= 0 or ignore is None or len(ignore.bboxes) == 0:
            return ignored
        for part, out in zip(priors.split(size), ignored.split(size)):
            if self.ignore_wrt_candidates:
                worst = self.iou_calculator(part, ignore.bboxes, mode='iof').amax(1)
            else:
                worst = self.iou_calculator(ignore.bboxes, part, mode='iof').amax(0)
            out[:] = worst > self.ignore_iof_thr
        return ignored

    def _is_local(self, cells: Tensor, priors: Tensor) -> bool:
        """Whether an overlap of boxes that do not touch is known to be 0, and never below."""
        return (
            type(self.iou_calculator) is BboxOverlaps2D
            and self.iou_calculator.dtype is None
            and cells.dtype == priors.dtype == torch.float32
            and bool(cells.isfinite().all() & priors.isfinite().all())
            # products below are finite too: an infinite union makes NaN of what should be 0
            and bool(torch.stack([cells.abs().amax(), priors.abs().amax()]).amax() < 1e15)
        )

    def _match(self, cells: Tensor, priors: Tensor, ignored: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Best overlap and cell of each prior; the cell (from 1) its low-quality match names, 0 for none."""
        local = self._is_local(cells, priors)
        dtype = self.iou_calculator(cells[:1], priors[:1]).dtype
        # What holds outside the chunks: an overlap of 0, or -1 where the prior is ignored.
        best = torch.zeros(len(priors), dtype=dtype, device=priors.device).masked_fill_(ignored, -1)
        arg_best = torch.zeros(len(priors), dtype=torch.long, device=priors.device)
        floor = best.amax() if local else best.new_tensor(-float('inf'))
        cell_best = floor.repeat(len(cells))
        near = torch.arange(len(cells), device=priors.device)
        order = neighbour_order(priors) if local else torch.arange(len(priors), device=priors.device)
        chunks = []
        for index in order.split(size):
            boxes = priors[index]
            if local:  # the cells that overlap the rectangle around the chunk
                low, high = boxes[:, :2].amin(0), boxes[:, 2:].amax(0)
                near = ((cells[:, :2] < high) & (cells[:, 2:] > low)).all(1).nonzero()[:, 0]
                if len(near) == 0:
                    continue
            overlaps = self.iou_calculator(cells[near], boxes).masked_fill_(ignored[index], -1)
            best[index], which = overlaps.max(0)
            # Where no cell overlaps, all tie at 0 (or -1) and stock names the first cell of all.
            arg_best[index] = torch.where(best[index] > 0, near[which], 0) if local else near[which]
            peaks = overlaps.amax(1)
            cell_best[near] = torch.maximum(cell_best[near], peaks)
            chunks.append((index, near, peaks))
        if not self.match_low_quality:
            return best, arg_best, None
        return best, arg_best, self._low_quality(cells, priors, ignored, cell_best, chunks, local)

    def _low_quality(
        self,
        cells: Tensor,
        priors: Tensor,
        ignored: Tensor,
        cell_best: Tensor,
        chunks: list[tuple[Tensor, Tensor, Tensor]],
        local: bool,
    ) -> Tensor:
        """The last cell (from 1), in their order, that claims each prior as its best; 0 where none does.

        Args:
            chunks: Priors looked at together, the cells near them, and the best overlap of each of these.
        """
        wanted = cell_best >= self.min_pos_iou
        claimed = torch.zeros(len(priors), dtype=torch.long, device=priors.device)
        first = torch.full((len(cells),), len(priors), dtype=torch.long, device=priors.device)
        for index, near, peaks in chunks:
            here = wanted[near] & (peaks == cell_best[near])
            near = near[here & (peaks > 0)] if local else near[here]
            if len(near) == 0:
                continue
            overlaps = self.iou_calculator(cells[near], priors[index]).masked_fill_(ignored[index], -1)
            tied = overlaps == cell_best[near, None]
            if self.gt_max_assign_all:
                claimed[index] = torch.maximum(claimed[index], torch.where(tied, near[:, None] + 1, 0).amax(0))
            else:
                first[near] = torch.minimum(first[near], torch.where(tied, index, len(priors)).amin(1))
        # A cell that no prior overlaps has its best, 0 (or -1 if all are ignored), wherever nothing is better.
        far = (wanted & (cell_best <= 0)).nonzero()[:, 0]
        if local and len(far):
            free = ~ignored if bool(cell_best[far[0]] == 0) else torch.ones_like(ignored)
            if self.gt_max_assign_all:
                claimed[free] = claimed[free].clamp(min=int(far[-1]) + 1)
            else:
                first[far] = free.nonzero()[0, 0]
        if not self.gt_max_assign_all:
            claimants = (wanted & (first < len(priors))).nonzero()[:, 0]
            claimed.scatter_reduce_(0, first[claimants], claimants + 1, 'amax')
        return claimed

    def _result(self, best: Tensor, arg_best: Tensor, low_quality: Tensor | None, labels: Tensor) -> AssignResult:
        """Thresholds in stock's order: background, then good overlaps, then low-quality matches."""
        assigned = torch.full_like(arg_best, -1)
        if isinstance(self.neg_iou_thr, float):
            assigned[(best >= 0) & (best < self.neg_iou_thr)] = 0
        elif isinstance(self.neg_iou_thr, tuple):
            low, high = self.neg_iou_thr
            assigned[(best >= low) & (best < high)] = 0
        assigned = torch.where(best >= self.pos_iou_thr, arg_best + 1, assigned)
        if low_quality is not None:
            assigned = torch.where(low_quality > 0, low_quality, assigned)
        named = torch.where(assigned > 0, labels[assigned.clamp(min=1) - 1], -1)
        return AssignResult(num_gts=len(labels), gt_inds=assigned, max_overlaps=best, labels=named)
