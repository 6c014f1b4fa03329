"""Whether a device computes what the CPU computes: operators, assigner, predicted masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .answer import Answer
from .trainings import Bench

if TYPE_CHECKING:
    from torch import Tensor

# Of the largest value: float32 sums of thousands of products in another order.
LARGEST_DIFFERENCE = 1e-4


def random_boxes(number: int, side: int) -> Tensor:
    """Boxes (N, 4) float32 xyxy of cells of 12 to 36 px in an image of ``side`` px, the same ones each time."""
    import torch

    generator = torch.Generator().manual_seed(0)
    centre = torch.rand(number, 2, generator=generator) * side
    size = 12 + 24 * torch.rand(number, 2, generator=generator)
    return torch.cat([centre - size / 2, centre + size / 2], 1).clamp(0, side)


def operators(bench: Bench) -> Answer:
    """NMS, RoIAlign and the mask head's layers, against the CPU; in float32 without TF32."""
    import torch
    from mmcv.ops import RoIAlign, nms
    from mmdet.registry import MODELS

    from .. import components  # noqa: F401

    number, side, channels, layers = (40, 64, 8, 1) if bench.tiny else (2000, 1024, 256, 4)
    torch.manual_seed(0)
    torch.backends.cudnn.allow_tf32 = False
    boxes, scores = random_boxes(number, side), torch.rand(number)
    features = torch.rand(1, channels, side // 4, side // 4)
    rois = torch.cat([torch.zeros(number, 1), boxes], 1)[: number // 10]
    align = RoIAlign(14, 0.25, 2)
    head = MODELS.build(
        {'type': 'RLEMaskHead', 'num_convs': layers, 'in_channels': channels, 'conv_out_channels': channels}
    ).eval()
    found = []
    for device in ('cpu', bench.device):
        kept = nms(boxes.to(device), scores.to(device), 0.5)[1]
        with torch.no_grad():
            pooled = align(features.to(device), rois.to(device))
            logits = head.to(device)(pooled)
        found.append((set(kept.tolist()), pooled.cpu(), logits.cpu()))
    (kept, pooled, logits), (other_kept, other_pooled, other_logits) = found
    figures = {
        'NMS differs in': len(kept ^ other_kept),
        'RoIAlign differs by': _difference(pooled, other_pooled),
        'mask head differs by': _difference(logits, other_logits),
    }
    good = not kept ^ other_kept and max(list(figures.values())[1:]) < LARGEST_DIFFERENCE
    text = f'{bench.device} against the CPU: ' + ', '.join(f'{name} {value:.2g}' for name, value in figures.items())
    advice = '' if good else f'more than 0 boxes or {LARGEST_DIFFERENCE} of the largest value: report it'
    return Answer('ok' if good else 'fail', text, advice, figures)


def _difference(a: Tensor, b: Tensor) -> float:
    """The largest difference, as a part of the largest value."""
    return float((a - b).abs().max() / a.abs().max())


def assigner(bench: Bench) -> Answer:
    """``ChunkedMaxIoUAssigner`` on the device, byte for byte as on the CPU."""
    import torch
    from mmdet.models.task_modules.prior_generators import AnchorGenerator
    from mmengine.structures import InstanceData

    from ..components.models.chunked_max_iou_assigner import ChunkedMaxIoUAssigner

    number, side = (20, 64) if bench.tiny else (700, 512)
    strides = [4, 8, 16, 32, 64]
    generator = AnchorGenerator(strides=strides, ratios=[0.5, 1.0, 2.0], scales=[2])
    priors = torch.cat(generator.grid_priors([(side // stride,) * 2 for stride in strides], device='cpu'))
    cells, results = random_boxes(number, side), []
    for device in ('cpu', bench.device):
        truth = InstanceData(bboxes=cells.to(device), labels=torch.zeros(number, dtype=torch.long, device=device))
        assign = ChunkedMaxIoUAssigner(pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3).assign
        results.append(assign(InstanceData(priors=priors.to(device)), truth))
    here, there = results
    names = ('gt_inds', 'labels', 'max_overlaps')
    figures = {name: int((getattr(here, name) != getattr(there, name).cpu()).sum()) for name in names}
    text = f'{number} cells to {len(priors)} anchors: ' + (
        ', '.join(f'{differ} {name} differ' for name, differ in figures.items() if differ) or 'equal to the CPU'
    )
    return Answer('fail' if any(figures.values()) else 'ok', text, figures=figures)


def rle_head(bench: Bench) -> Answer:
    """Predicted masks of the same logits: as stock's on the device, and as on the CPU."""
    import torch
    from mmdet.models.roi_heads.mask_heads import FCNMaskHead
    from mmdet.structures.mask import encode_mask_results
    from mmengine.config import ConfigDict
    from mmengine.structures import InstanceData
    from pycocotools import mask as mask_api

    from ..components.models.rle_mask_head import RLEMaskHead

    number, side, classes = (20, 64, 2) if bench.tiny else (500, 1000, 4)
    generator = torch.Generator().manual_seed(0)
    axis = torch.linspace(-1, 1, 28)
    logits = 4 - 5 * (axis[:, None] ** 2 + axis**2) + torch.randn(number, classes, 28, 28, generator=generator)
    boxes, labels = random_boxes(number, side), torch.randint(classes, (number,), generator=generator)

    def predict(kind: type[FCNMaskHead], device: str) -> list[dict[str, Any]]:
        meta = {'ori_shape': (side, side), 'scale_factor': (1.0, 1.0)}
        results = InstanceData(bboxes=boxes.to(device, copy=True), labels=labels.to(device))
        head, cfg = kind(num_convs=0, num_classes=classes), ConfigDict(mask_thr_binary=0.5)
        masks = head.predict_by_feat([logits.to(device)], [results], [meta], cfg, rescale=True)[0].masks
        return masks if isinstance(masks, list) else encode_mask_results(masks.cpu().numpy())

    ours, stock, on_cpu = (
        predict(*case) for case in ((RLEMaskHead, bench.device), (FCNMaskHead, bench.device), (RLEMaskHead, 'cpu'))
    )
    other = [(a, b) for a, b in zip(ours, on_cpu) if a != b]
    pixels = sum(int((mask_api.decode(a) != mask_api.decode(b)).sum()) for a, b in other)
    figures = {'other than stock': sum(a != b for a, b in zip(ours, stock)), 'other than the CPU': len(other)}
    text = f'of {number} masks {figures["other than stock"]} are other than stock on {bench.device}, '
    text += f'and {len(other)} other than on the CPU (in {pixels} px)'
    good = not any(figures.values())
    return Answer('ok' if good else 'fail', text, '' if good else 'report it', {**figures, 'pixels': pixels})
