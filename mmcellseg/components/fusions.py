"""The fusions by their names in MMDetection's registry of task utilities."""

from mmdet.registry import TASK_UTILS

from ..ensemble import NMSFusion, SharedMaskFusion, WeightedMaskFusion

for fusion in (NMSFusion, SharedMaskFusion, WeightedMaskFusion):
    TASK_UTILS.register_module(module=fusion)
