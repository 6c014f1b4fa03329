"""The detector inside of what a runner wraps it in."""

from typing import cast

import torch
from mmengine.model import BaseTTAModel, is_model_wrapper


def unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """The model below the wrappers of several processes and of test-time augmentation, which may be in each other."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = cast(torch.nn.Module, model.module)
    return model
