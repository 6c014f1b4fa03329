"""Convolutions and linear layers in bfloat16, also where MMEngine's mixed precision asks for an accelerator."""

import logging
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn

from ..models.unwrap import unwrapped

PARTS = ('backbone', 'neck', 'rpn_head', 'roi_head.bbox_head', 'roi_head.mask_head')


def network_parts(model: nn.Module) -> list[nn.Module]:
    """The modules of a detector that hold its layers and call none of each other; a cascade's heads one by one."""
    modules = dict(model.named_modules())
    found = [modules[name] for name in PARTS if name in modules]
    return [part for one in found for part in (one if isinstance(one, nn.ModuleList) else [one])]


def to_float(value: Any) -> Any:
    """Tensors in float32 and row-major, inside tuples and lists too: what mmcv's operators read rightly."""
    if isinstance(value, torch.Tensor):
        return value.float().contiguous()
    return type(value)(to_float(v) for v in value) if isinstance(value, tuple | list) else value


# Forward hooks, not a replaced forward(): a copy of the model, such as EMAHook makes, would call the original's.
def _enter(module: nn.Module, args: tuple, enabled: bool = True) -> None:
    module.bfloat16_context = torch.autocast(next(module.parameters()).device.type, torch.bfloat16, enabled)
    module.bfloat16_context.__enter__()


def _leave(module: nn.Module, args: tuple, output: Any) -> Any:
    module.__dict__.pop('bfloat16_context').__exit__(None, None, None)
    return to_float(output)


def _leave_row_major(module: nn.Module, args: tuple, output: Any) -> Any:
    return to_float(output)


def _enter_float(module: nn.Module, args: tuple) -> tuple:
    _enter(module, args, enabled=False)
    return tuple(value.float() for value in args)


def _leave_float(module: nn.Module, args: tuple, output: Any) -> None:
    module.__dict__.pop('bfloat16_context').__exit__(None, None, None)


def _put_bias_aside(module: nn.Module, args: tuple) -> None:
    module.__dict__['bias_aside'], module.bias = module.bias, None


def _add_bias(module: nn.Module, args: tuple, output: torch.Tensor | None) -> torch.Tensor | None:
    module.bias = module.__dict__.pop('bias_aside')
    return None if output is None else output + module.bias.to(output.dtype)[:, None, None]


def _avoid_slow_gradients(part: nn.Module) -> None:
    # On a core with bfloat16 instructions a depthwise convolution's backward pass takes four times as long in bfloat16
    # as in float32, and the gradient of a transposed convolution's bias three times as long as all else in that layer.
    for layer in part.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1:
            layer.register_forward_pre_hook(_enter_float)
            layer.register_forward_hook(_leave_float, always_call=True)
        elif isinstance(layer, nn.ConvTranspose2d) and layer.bias is not None:
            layer.register_forward_pre_hook(_put_bias_aside)
            layer.register_forward_hook(_add_bias, always_call=True)


def use_bfloat16(model: nn.Module) -> None:
    """Let the parts of a detector compute in bfloat16, and hand on float32.

    Losses, box coding, NMS and RoIAlign stay in float32: mmcv's have no bfloat16 on a CPU. Weights stay float32, in
    channels-last order, which is the faster one. ``model``, a detector without a wrapper, is changed in place; a
    second call changes nothing.
    """
    for part in network_parts(model):
        if _enter in part._forward_pre_hooks.values():
            continue
        part.to(memory_format=torch.channels_last)
        part.register_forward_pre_hook(_enter)
        part.register_forward_hook(_leave, always_call=True)
        if next(part.parameters()).device.type == 'cpu':
            _avoid_slow_gradients(part)


def use_channels_last(model: nn.Module) -> None:
    """Let the parts of a detector compute in channels-last order, in float32, and hand on row-major tensors.

    A training step of EfficientNet-Lite0 takes a tenth less time with it on a CPU with AVX-512.
    """
    for part in network_parts(model):
        if _leave_row_major not in part._forward_hooks.values():
            part.to(memory_format=torch.channels_last)
            part.register_forward_hook(_leave_row_major)


def has_bfloat16(device: str | torch.device) -> bool:
    """Whether a device computes in bfloat16 itself: a CPU that emulates it takes five times as long as in float32."""
    if torch.device(device).type != 'cpu':
        return True
    if torch.cpu._is_avx2_supported():
        # oneDNN says yes on every CPU with AVX-512, and emulates where the instructions lack.
        return torch.cpu._is_avx512_bf16_supported()
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def use_fastest(model: nn.Module, device: str | torch.device) -> bool:
    """Let a detector compute in bfloat16 where ``device`` has it, else in channels-last order. Is it bfloat16?"""
    capable = has_bfloat16(device)
    (use_bfloat16 if capable else use_channels_last)(model)
    return capable


@HOOKS.register_module()
class BFloat16Hook(Hook):
    """Train and test with convolutions and linear layers in bfloat16, on a CPU too.

    A CPU without instructions for it goes on in float32, with a warning, and in channels-last order all the same.
    """

    priority = 'VERY_HIGH'  # before EMAHook, whose copy of the model is to have it too

    def before_run(self, runner: Runner) -> None:
        model = unwrapped(runner.model)
        if not use_fastest(model, next(model.parameters()).device):
            print_log(
                'BFloat16Hook: this CPU has no bfloat16 instructions: float32 is used', 'current', logging.WARNING
            )
