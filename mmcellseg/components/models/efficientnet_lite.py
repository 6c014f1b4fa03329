"""EfficientNet-Lite0: the EfficientNet without squeeze-and-excitation and with ReLU6, made for CPUs."""

from collections.abc import Mapping

from mmdet.models.backbones import EfficientNet
from mmdet.registry import MODELS
from torch import Tensor

_B0 = EfficientNet.layer_settings['b']
# The blocks in their order as (layer, place in it): the stem is layer 0.
_PLACES = [(i, j) for i, layer in enumerate(_B0[1:-1], 1) for j in range(len(layer))]
_BLOCK = {
    '_expand_conv': 'expand_conv.conv',
    '_bn0': 'expand_conv.bn',
    '_depthwise_conv': 'depthwise_conv.conv',
    '_bn1': 'depthwise_conv.bn',
    '_project_conv': 'linear_conv.conv',
    '_bn2': 'linear_conv.bn',
}
_ENDS = {
    '_conv_stem': 'layers.0.conv',
    '_bn0': 'layers.0.bn',
    '_conv_head': f'layers.{len(_B0) - 1}.conv',
    '_bn1': f'layers.{len(_B0) - 1}.bn',
    '_fc': 'fc',
}


@MODELS.register_module()
class EfficientNetLite(EfficientNet):
    """EfficientNet-Lite0 in MMDetection's EfficientNet.

    With ``out_indices=(2, 3, 4, 5)`` it gives 24, 40, 112 and 320 channels at strides 4 to 32. Its published weights
    expect RGB with mean 127 and standard deviation 128. ``frozen_stages=2`` freezes the stem and the first stage; 0,
    the default, freezes nothing.

    Args:
        **kwargs: EfficientNet's, except ``arch``.
    """

    # without squeeze-and-excitation
    layer_settings = {'b': [[[size, channels, 0, *rest] for size, channels, _, *rest in layer] for layer in _B0]}

    def __init__(self, act_cfg: Mapping = {'type': 'ReLU6'}, **kwargs) -> None:
        super().__init__(arch='b0', act_cfg=act_cfg, **kwargs)

    def train(self, mode: bool = True) -> 'EfficientNetLite':
        """Set the mode, batch norm and frozen stages kept out of it; unlike the stock class, return the module."""
        super().train(mode)
        return self


def mmdet_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of ``efficientnet_lite_pytorch`` under the names of :class:`EfficientNetLite`.

    The classifier comes too, as ``fc.weight`` (1000, 1280) and ``fc.bias``.
    """
    renamed = {}
    for name, value in state.items():
        module, _, rest = name.removeprefix('_blocks.').rpartition('.')
        try:
            if name.startswith('_blocks.'):
                number, _, part = module.partition('.')
                layer, place = _PLACES[int(number)]
                module = f'layers.{layer}.{place}.{_BLOCK[part]}'
            else:
                module = _ENDS[module]
        except (KeyError, ValueError, IndexError):
            raise ValueError(f'not a state dict of EfficientNet-Lite0: it has {name}') from None
        renamed[f'{module}.{rest}'] = value
    return renamed
